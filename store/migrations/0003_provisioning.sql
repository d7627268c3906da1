-- From a unit in a box to a node in a home: units, claims, certificates.

-- A device as it left the factory. The claim code is printed on it; the factory secret is not.
CREATE TABLE unit (
    serial text PRIMARY KEY CHECK (serial ~ '^[A-Za-z0-9_-]{4,32}$'),
    maker text, model text,
    -- Encrypted with a key that is not in this database.
    factory_secret bytea NOT NULL,
    -- HMAC of the claim code with that key: checks what a person typed.
    code_mac bytea NOT NULL,
    -- Mosquitto's hash of the claim code: lets the unit in as `claim:{serial}`.
    code_hash text NOT NULL,
    added_at timestamptz NOT NULL,
    retired_at timestamptz
);

-- A unit bound to a place and a person by somebody who scanned its code.
CREATE TABLE claim (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    serial text NOT NULL REFERENCES unit,
    area_id bigint NOT NULL REFERENCES area,
    household_id bigint REFERENCES household,
    patient_id bigint REFERENCES patient,
    label text NOT NULL DEFAULT '',
    opened_at timestamptz NOT NULL,
    opened_by text NOT NULL,
    -- The node it became; the same one however often the unit has to ask again.
    node_id text REFERENCES node,
    issued_at timestamptz,
    -- The node was seen ready with what it was given: the claim code opens nothing any more.
    completed_at timestamptz,
    ended_at timestamptz,
    CHECK ((node_id IS NULL) = (issued_at IS NULL)),
    CHECK (completed_at IS NULL OR issued_at IS NOT NULL)
);
CREATE UNIQUE INDEX claim_one_open ON claim (serial) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX claim_node ON claim (node_id) WHERE node_id IS NOT NULL;
CREATE INDEX claim_issued ON claim (node_id)
    WHERE issued_at IS NOT NULL AND completed_at IS NULL AND ended_at IS NULL;

-- Certificates the hub's own authority gave to nodes.
CREATE TABLE certificate (
    serial_number text PRIMARY KEY,           -- hex, as in the certificate
    node_id text NOT NULL REFERENCES node,
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL,
    issued_at timestamptz NOT NULL,
    -- Replaced by another one: it is revoked then, so that the two overlap.
    ends_at timestamptz,
    revoked_at timestamptz,
    CHECK (not_before < not_after)
);
CREATE INDEX certificate_node ON certificate (node_id);

-- New credentials for a node, in two steps (asked -> key -> credential), each a command `rotate`.
-- Of a password the hash waits here until the node has said that it keeps the new one.
CREATE TABLE rotation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id text NOT NULL REFERENCES node,
    asked_at timestamptz NOT NULL,
    asked_by text NOT NULL,
    at_once boolean NOT NULL DEFAULT false,   -- no overlap of the old certificate
    step text NOT NULL DEFAULT 'asked'
        CHECK (step IN ('asked', 'key', 'credential', 'done', 'failed')),
    command_id text REFERENCES command,
    password_hash text,
    certificate text REFERENCES certificate,
    why text,
    ended_at timestamptz,
    CHECK ((ended_at IS NOT NULL) = (step IN ('done', 'failed')))
);
CREATE UNIQUE INDEX rotation_one_open ON rotation (node_id) WHERE ended_at IS NULL;

-- Wrong proofs and wrong codes, for the locks: by unit and by address, never by serial alone.
CREATE TABLE claim_failure (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    serial text NOT NULL,
    address text,
    what text NOT NULL CHECK (what IN ('code', 'proof')),
    at timestamptz NOT NULL
);
CREATE INDEX claim_failure_recent ON claim_failure (serial, at);
CREATE INDEX claim_failure_address ON claim_failure (address, at) WHERE address IS NOT NULL;

CREATE TRIGGER credentials_changed AFTER INSERT OR UPDATE OR DELETE ON unit
    FOR EACH STATEMENT EXECUTE FUNCTION credentials_changed();
CREATE TRIGGER credentials_changed AFTER INSERT OR UPDATE OR DELETE ON claim
    FOR EACH STATEMENT EXECUTE FUNCTION credentials_changed();
CREATE TRIGGER downlink_wanted AFTER INSERT ON rotation
    FOR EACH STATEMENT EXECUTE FUNCTION downlink_wanted();
CREATE TRIGGER credentials_changed AFTER INSERT OR UPDATE OR DELETE ON certificate
    FOR EACH STATEMENT EXECUTE FUNCTION credentials_changed();
CREATE TRIGGER console_wanted AFTER INSERT OR UPDATE ON claim
    FOR EACH STATEMENT EXECUTE FUNCTION console_wanted();
