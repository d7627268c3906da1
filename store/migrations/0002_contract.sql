-- What the whole of HH/1 needs beside the loop: configuration, diagnostics, waveforms, firmware
-- notices, and rejects that say which product they came from and can be taken again after a fix.

-- What a node is to be set to, and what it said it is set to.
CREATE TABLE node_config (
    node_id text PRIMARY KEY REFERENCES node,
    revision bigint NOT NULL DEFAULT 0 CHECK (revision >= 0),
    wanted jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(wanted) = 'object'),
    changed_at timestamptz,
    changed_by text,
    published_revision bigint NOT NULL DEFAULT 0,
    published_at timestamptz,
    dev_until timestamptz,                    -- developer mode: everything taken is echoed until then
    reported_revision bigint,
    reported_boot bigint, reported_seq bigint, -- which message said so: an earlier one changes nothing
    applied jsonb,
    errors jsonb NOT NULL DEFAULT '[]',
    reported_at timestamptz
);
CREATE INDEX node_config_waiting ON node_config (node_id) WHERE published_revision < revision;

-- For each row: a statement that finds nothing to change must wake nobody, least of all itself.
CREATE TRIGGER downlink_wanted AFTER INSERT OR UPDATE OF revision ON node_config
    FOR EACH ROW EXECUTE FUNCTION downlink_wanted();
CREATE INDEX command_of_node ON command (node_id, created_at DESC);

-- Lossy on purpose: the latest of each node are kept.
CREATE TABLE node_diag (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id text NOT NULL REFERENCES node,
    received_at timestamptz NOT NULL,
    at timestamptz,
    boot bigint,
    metrics jsonb NOT NULL DEFAULT '{}',
    log jsonb NOT NULL DEFAULT '[]'
);
CREATE INDEX node_diag_latest ON node_diag (node_id, id);
CREATE INDEX node_diag_age ON node_diag USING brin (received_at);

-- One chunk of a waveform, as it came. Its identity has no patient, like a reading's.
CREATE TABLE wave_chunk (
    device_id bigint NOT NULL,
    recording text NOT NULL,
    chunk integer NOT NULL CHECK (chunk >= 0),
    kind text NOT NULL,
    patient_id bigint,
    started_at timestamptz NOT NULL,
    hz double precision NOT NULL CHECK (hz > 0),
    samples integer NOT NULL CHECK (samples > 0),
    channels text[] NOT NULL,
    encoding text NOT NULL,
    scale double precision NOT NULL,
    zero double precision NOT NULL,           -- value = raw * scale + zero
    unit text,
    last boolean NOT NULL DEFAULT false,
    data bytea NOT NULL,
    clock clock_quality NOT NULL,
    claimed_at timestamptz,
    node_id text NOT NULL,
    boot bigint NOT NULL,
    seq bigint NOT NULL,
    received_at timestamptz NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (device_id, recording, chunk)
);
CREATE INDEX wave_chunk_patient ON wave_chunk (patient_id, started_at);

-- Firmware somebody announced for a product, and what each node made of it.
CREATE TABLE firmware (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    maker text NOT NULL,
    model text NOT NULL,
    hardware text,                            -- NULL: every hardware of the model
    version text NOT NULL CHECK (version <> ''),
    url text NOT NULL CHECK (url ~ '^https://'),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    size bigint NOT NULL CHECK (size > 0),
    signature text NOT NULL CHECK (signature <> ''),
    window_from smallint CHECK (window_from BETWEEN 0 AND 23),
    window_to smallint CHECK (window_to BETWEEN 0 AND 24),
    announced_at timestamptz NOT NULL,
    announced_by text NOT NULL,
    withdrawn_at timestamptz,
    CHECK ((window_from IS NULL) = (window_to IS NULL)),
    CONSTRAINT firmware_once UNIQUE NULLS NOT DISTINCT (maker, model, hardware, version)
);
CREATE TABLE firmware_notice (
    node_id text NOT NULL REFERENCES node,
    firmware_id bigint NOT NULL REFERENCES firmware,
    published_at timestamptz,
    state text,                               -- the device's last word: accepted, ok, error, …
    progress smallint CHECK (progress BETWEEN 0 AND 100),
    detail text,
    answered_at timestamptz,
    cleared_at timestamptz,
    PRIMARY KEY (node_id, firmware_id)
);
-- Which firmware each node should fetch: the one announced last for its product, unless its birth
-- says it has it.
CREATE VIEW firmware_wanted AS
    SELECT last.*, last.id AS firmware_id
    FROM (SELECT DISTINCT ON (node.id) node.id AS node_id, node.firmware AS has, firmware.*
          FROM node JOIN firmware ON firmware.maker = node.maker AND firmware.model = node.model
              AND (firmware.hardware IS NULL OR firmware.hardware = node.hardware)
              AND firmware.withdrawn_at IS NULL
          WHERE node.revoked_at IS NULL AND node.birth_at IS NOT NULL
          ORDER BY node.id, firmware.announced_at DESC, firmware.id DESC) last
    WHERE last.has IS DISTINCT FROM last.version;
CREATE TRIGGER downlink_wanted AFTER INSERT OR UPDATE ON firmware
    FOR EACH STATEMENT EXECUTE FUNCTION downlink_wanted();

-- Which product sent it, as it was then; and what became of it when it was taken again.
ALTER TABLE reject ADD COLUMN maker text, ADD COLUMN model text, ADD COLUMN firmware text,
    ADD COLUMN replay_asked_at timestamptz, ADD COLUMN replay_asked_by text,
    ADD COLUMN replayed_at timestamptz, ADD COLUMN replay_result text;
CREATE INDEX reject_product ON reject (maker, model, firmware, received_at);
CREATE INDEX reject_to_replay ON reject (replay_asked_at)
    WHERE replay_asked_at IS NOT NULL AND replayed_at IS NULL;
-- The console shows by itself what is refused, what a replay made of it, and what a node reports.
CREATE TRIGGER console_wanted AFTER INSERT OR UPDATE ON reject
    FOR EACH STATEMENT EXECUTE FUNCTION console_wanted();
CREATE TRIGGER console_wanted AFTER INSERT OR UPDATE ON node_config
    FOR EACH ROW EXECUTE FUNCTION console_wanted();
-- The start a device said with a clock that is not trusted; the block is at another one.
ALTER TABLE block ADD COLUMN claimed_at timestamptz;
-- The unique device identifier of a regulator, beside the maker's serial number.
ALTER TABLE device ADD COLUMN udi text;
-- What the device said of its answer, in words.
ALTER TABLE command ADD COLUMN message text;

-- A reading that a replay brought in: it became known then, however old its message is.
ALTER TABLE reading ADD COLUMN replayed_at timestamptz;
ALTER TABLE reading_conflict ADD COLUMN replayed_at timestamptz;

-- What devices still send that a later version will not take (W1xxx), with the product behind it
-- as its birth said then; `detail` names what is deprecated and what to use.
CREATE TABLE deprecated_use (
    node_id text NOT NULL REFERENCES node,
    maker text,
    model text,
    firmware text,
    code text NOT NULL CHECK (code ~ '^W1[0-9]{3}$'),
    place text NOT NULL,                      -- entries of lists as one: /ser/*/u
    detail text NOT NULL,
    times bigint NOT NULL CHECK (times > 0),
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL CHECK (last_at >= first_at),
    CONSTRAINT deprecated_use_once
        UNIQUE NULLS NOT DISTINCT (node_id, maker, model, firmware, code, place, detail)
);
CREATE TRIGGER console_wanted AFTER INSERT OR UPDATE ON deprecated_use
    FOR EACH STATEMENT EXECUTE FUNCTION console_wanted();
