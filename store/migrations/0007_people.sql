-- Whose reading it is, decided by people: the queue of what nobody owns, and moving readings from
-- one person to another; and looking through what was refused.

-- Not NULL: a person said that it is nobody's here (a visitor, a test), and it waits no longer.
ALTER TABLE reading ADD COLUMN set_aside text;
ALTER TABLE block ADD COLUMN set_aside text;
-- When a person said whose it is: for that patient it became known then, not before.
ALTER TABLE reading ADD COLUMN assigned_at timestamptz;

-- One deed of one person: what was moved, from whom, to whom. It can be undone once, as a whole.
CREATE TABLE reassignment (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,                      -- staff:<id>
    what text NOT NULL CHECK (what IN ('assigned', 'reassigned', 'set_aside', 'put_back', 'undone')),
    from_patient_id bigint REFERENCES patient,
    to_patient_id bigint REFERENCES patient,
    from_aside text,
    to_aside text,
    note text NOT NULL DEFAULT '',
    readings integer NOT NULL DEFAULT 0,
    blocks integer NOT NULL DEFAULT 0,
    chunks integer NOT NULL DEFAULT 0,
    undoes bigint UNIQUE REFERENCES reassignment,
    CHECK (from_patient_id IS NULL OR from_aside IS NULL),
    CHECK (to_patient_id IS NULL OR to_aside IS NULL)
);
CREATE INDEX reassignment_from ON reassignment (from_patient_id, at) WHERE from_patient_id IS NOT NULL;
CREATE INDEX reassignment_to ON reassignment (to_patient_id, at) WHERE to_patient_id IS NOT NULL;
-- Its readings are in reading_history; these are the rest of what it moved.
ALTER TABLE reading_history ADD COLUMN reassignment_id bigint REFERENCES reassignment;
CREATE TABLE reassigned_block (
    reassignment_id bigint NOT NULL REFERENCES reassignment,
    device_id bigint NOT NULL,
    kind text NOT NULL,
    start_at timestamptz NOT NULL,
    part smallint NOT NULL,
    PRIMARY KEY (reassignment_id, device_id, kind, start_at, part)
);
CREATE TABLE reassigned_chunk (
    reassignment_id bigint NOT NULL REFERENCES reassignment,
    device_id bigint NOT NULL,
    recording text NOT NULL,
    chunk integer NOT NULL,
    PRIMARY KEY (reassignment_id, device_id, recording, chunk)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON reassigned_block
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON reassigned_chunk
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
-- A page that shows whose something is hears of every deed, also of one the feed does not tell.
CREATE TRIGGER console_wanted AFTER INSERT ON reassignment
    FOR EACH STATEMENT EXECUTE FUNCTION console_wanted();
