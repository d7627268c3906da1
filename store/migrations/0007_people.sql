-- Whose reading it is, decided by people: the queue of what nobody owns, and moving readings from
-- one person to another; and looking through what was refused.

-- Not NULL: a person said that it is nobody's here (a visitor, a test), and it waits no longer.
ALTER TABLE reading ADD COLUMN set_aside text;
ALTER TABLE block ADD COLUMN set_aside text;
-- When a person said whose it is: for that patient it became known then, not before.
ALTER TABLE reading ADD COLUMN assigned_at timestamptz;

CREATE INDEX reading_waiting ON reading (measured_at, device_id, kind, ordinal)
    WHERE patient_id IS NULL AND set_aside IS NULL;
CREATE INDEX block_waiting ON block (start_at, device_id)
    WHERE patient_id IS NULL AND set_aside IS NULL;

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
CREATE INDEX reading_history_reassignment ON reading_history (reassignment_id)
    WHERE reassignment_id IS NOT NULL;
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

-- What was refused, by time, by code over time and by node; the product has an index of its own.
CREATE INDEX reject_time ON reject (received_at, id);
CREATE INDEX reject_code ON reject (code, received_at, id);
-- How far a replay is: all rows asked for by one person at one instant are one replay.
CREATE INDEX reject_replay ON reject (replay_asked_at, replay_asked_by)
    WHERE replay_asked_at IS NOT NULL;
