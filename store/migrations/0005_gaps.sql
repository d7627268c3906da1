-- Gaps: numbers a node gave to messages that did not come. Ingest finds and closes them, downlink
-- asks for them; these rows are all that the two share.

-- How far each count of each node was looked at. Every number up to `settled_to` was taken, or lies
-- in a gap, or is counted in `unfollowed`: so a message is looked at once, and a restart loses
-- nothing. What an earlier boot numbered after its last message that came cannot be known.
CREATE TABLE gap_watch (
    node_id text NOT NULL REFERENCES node,
    boot bigint NOT NULL,
    settled_to bigint NOT NULL DEFAULT -1 CHECK (settled_to >= -1),
    first_at timestamptz NOT NULL,            -- when the boot was first heard of
    looked_at timestamptz NOT NULL,
    -- Numbers that did not come and that nobody follows: the node left too many gaps.
    unfollowed bigint NOT NULL DEFAULT 0 CHECK (unfollowed >= 0),
    PRIMARY KEY (node_id, boot)
);

CREATE TABLE gap (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id text NOT NULL REFERENCES node,
    boot bigint NOT NULL,
    numbers int8range NOT NULL CHECK (NOT isempty(numbers) AND lower(numbers) >= 0),
    -- What of `numbers` has not come and is not known to be gone; and what is gone for good.
    missing int8multirange NOT NULL,
    gone int8multirange NOT NULL DEFAULT '{}',
    after_at timestamptz,                     -- arrival of the number below; NULL: there is none
    before_at timestamptz NOT NULL,           -- arrival of the number above
    found_at timestamptz NOT NULL,
    asked_at timestamptz,
    asked_to bigint,                          -- this turn has asked up to here; NULL: a new turn
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    ask_at timestamptz,                       -- NULL: not before the node is back
    closed_at timestamptz,
    how text CHECK (how IN ('came', 'gone', 'given_up')),
    -- False: too wide, or in too many pieces, to be looked at again.
    followed boolean NOT NULL DEFAULT true,
    -- The node has begun to count this boot anew: these numbers mean something else now.
    recounted boolean NOT NULL DEFAULT false,
    CONSTRAINT gap_numbers_once
        EXCLUDE USING gist (node_id WITH =, boot WITH =, numbers WITH &&) WHERE (NOT recounted),
    CONSTRAINT gap_within CHECK (missing <@ numbers AND gone <@ numbers AND NOT missing && gone),
    CONSTRAINT gap_closed CHECK ((closed_at IS NULL) = (how IS NULL)),
    CONSTRAINT gap_how CHECK (CASE how WHEN 'came' THEN isempty(missing) AND isempty(gone)
                                       WHEN 'gone' THEN isempty(missing) AND NOT isempty(gone)
                                       ELSE NOT isempty(missing) END)
);
CREATE INDEX gap_due ON gap (ask_at) WHERE closed_at IS NULL;
CREATE INDEX gap_open ON gap (node_id) WHERE closed_at IS NULL;
CREATE INDEX gap_followed ON gap (node_id, boot)
    WHERE followed AND NOT recounted AND how IS DISTINCT FROM 'came';
CREATE INDEX gap_node ON gap (node_id, before_at);

-- How many numbers lie in these ranges.
CREATE FUNCTION numbers_in(ranges int8multirange) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(sum(upper(piece) - lower(piece)), 0)::bigint FROM unnest(ranges) AS piece $$;

CREATE TRIGGER console_wanted AFTER INSERT OR UPDATE ON gap
    FOR EACH ROW EXECUTE FUNCTION console_wanted();
