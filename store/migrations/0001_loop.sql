-- The schema of the loop. Invariants live here: what must never happen is refused by the database.
-- All times are timestamptz; durations are seconds unless the name says otherwise.
-- Runs inside one transaction, on plain PostgreSQL. Series tables are range-partitioned by
-- measured time; `store/partition.py` is the seam where TimescaleDB takes their place.

CREATE EXTENSION IF NOT EXISTS btree_gist;

-- Places and people -------------------------------------------------------------------------

CREATE TYPE area_level AS ENUM ('province', 'city', 'county', 'township', 'village');

CREATE TABLE area (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parent_id bigint REFERENCES area,
    level area_level NOT NULL,
    name text NOT NULL CHECK (name <> ''),
    code text UNIQUE,
    time_zone text NOT NULL DEFAULT 'Asia/Shanghai',
    duty_team_id bigint,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX area_parent ON area (parent_id);

-- A child lies below its parent in the five levels; this also makes a cycle impossible.
CREATE FUNCTION area_is_below_its_parent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.parent_id IS NOT NULL
       AND NEW.level <= (SELECT level FROM area WHERE id = NEW.parent_id) THEN
        RAISE EXCEPTION 'a % cannot lie inside a %', NEW.level,
            (SELECT level FROM area WHERE id = NEW.parent_id)
            USING ERRCODE = 'check_violation', CONSTRAINT = 'area_below_parent';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER area_below_parent BEFORE INSERT OR UPDATE ON area
    FOR EACH ROW EXECUTE FUNCTION area_is_below_its_parent();

CREATE TABLE team (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name <> ''),
    area_id bigint NOT NULL REFERENCES area,
    -- Which limits count as severe: 'cn' 180/110, 'us_uk' and 'esc' 180/120 (clinical profile).
    profile text NOT NULL DEFAULT 'cn' CHECK (profile IN ('cn', 'esc', 'us_uk')),
    -- Seconds until the next step of the ladder is told; stamped on the episode when it opens.
    escalate_after_s integer NOT NULL DEFAULT 300 CHECK (escalate_after_s > 0),
    created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE area ADD CONSTRAINT area_duty_team FOREIGN KEY (duty_team_id) REFERENCES team;

CREATE TABLE staff (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_name text NOT NULL UNIQUE CHECK (user_name ~ '^[a-z0-9._-]{2,40}$'),
    display_name text NOT NULL CHECK (display_name <> ''),
    role text NOT NULL CHECK (role IN ('admin', 'lead', 'doctor', 'nurse')),
    locale text NOT NULL DEFAULT 'zh-CN' CHECK (locale IN ('zh-CN', 'en')),
    password_hash text,                       -- argon2id; NULL: signs in by token only
    disabled_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- `step` is the person's place on the team's ladder: step 1 is told first.
CREATE TABLE team_member (
    team_id bigint NOT NULL REFERENCES team,
    staff_id bigint NOT NULL REFERENCES staff,
    step smallint NOT NULL DEFAULT 1 CHECK (step BETWEEN 1 AND 9),
    PRIMARY KEY (team_id, staff_id)
);

-- Where a person or a whole team is told, beside the console. `secret` signs the webhook.
CREATE TABLE contact (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    team_id bigint REFERENCES team,
    staff_id bigint REFERENCES staff,
    channel text NOT NULL CHECK (channel IN ('webhook')),
    address text NOT NULL,
    secret text NOT NULL,
    -- Safety rule 16: names, identifiers and values leave only where the team allowed it.
    shows_patient boolean NOT NULL DEFAULT false,
    disabled_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((team_id IS NULL) <> (staff_id IS NULL)),
    UNIQUE NULLS NOT DISTINCT (team_id, staff_id, channel, address)
);

CREATE TABLE api_token (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    staff_id bigint NOT NULL REFERENCES staff,
    token_sha256 bytea NOT NULL UNIQUE,       -- the token is random; it is shown once
    label text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
);

CREATE TABLE sign_in_session (
    token_sha256 bytea PRIMARY KEY,
    staff_id bigint NOT NULL REFERENCES staff,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    address text
);
CREATE INDEX sign_in_session_staff ON sign_in_session (staff_id);

CREATE TABLE household (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    area_id bigint NOT NULL REFERENCES area,
    team_id bigint REFERENCES team,
    label text NOT NULL DEFAULT ''
);

CREATE TABLE patient (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name <> ''),
    sex text CHECK (sex IN ('female', 'male', 'other')),
    birth_date date,
    phone text,
    area_id bigint NOT NULL REFERENCES area,
    team_id bigint REFERENCES team,
    household_id bigint REFERENCES household,
    -- On the wire at a check-up station: 'r:' plus 16 characters, issued by the hub.
    pseudonym text NOT NULL UNIQUE CHECK (pseudonym ~ '^r:[0-9a-z]{16}$'),
    locale text NOT NULL DEFAULT 'zh-CN' CHECK (locale IN ('zh-CN', 'en')),
    conditions text[] NOT NULL DEFAULT '{}',
    frail boolean NOT NULL DEFAULT false,
    -- The doctor's own home target; both or none.
    target_sys smallint CHECK (target_sys BETWEEN 90 AND 200),
    target_dia smallint CHECK (target_dia BETWEEN 40 AND 130),
    -- A reading is expected at least this often; NULL: no expectation, no "no data" alarm.
    expect_reading_every_s integer DEFAULT 259200 CHECK (expect_reading_every_s > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    archived_at timestamptz,
    CHECK ((target_sys IS NULL) = (target_dia IS NULL))
);
CREATE INDEX patient_team ON patient (team_id);
CREATE INDEX patient_area ON patient (area_id);

-- A patient's own time zone from a day on; without a row the area's zone holds.
CREATE TABLE patient_time_zone (
    patient_id bigint NOT NULL REFERENCES patient,
    since timestamptz NOT NULL,
    time_zone text NOT NULL,
    PRIMARY KEY (patient_id, since)
);

-- Nodes, devices, who they measure ------------------------------------------------------------

CREATE TABLE node (
    id text PRIMARY KEY CHECK (id ~ '^[a-z0-9]{8,24}$'),
    area_id bigint NOT NULL REFERENCES area,
    household_id bigint REFERENCES household,
    label text NOT NULL DEFAULT '',
    maker text, model text, hardware text, firmware text,
    birth jsonb, birth_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

-- The broker's password file follows this table. Mosquitto's own hash format ($7$...).
CREATE TABLE node_credential (
    node_id text PRIMARY KEY REFERENCES node,
    password_hash text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
-- Bumped by every change; the hub notes which revision the broker has taken over.
CREATE TABLE credential_revision (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    wanted bigint NOT NULL DEFAULT 0,
    applied bigint NOT NULL DEFAULT 0,
    applied_at timestamptz
);
INSERT INTO credential_revision DEFAULT VALUES;
CREATE FUNCTION credentials_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE credential_revision SET wanted = wanted + 1;
    PERFORM pg_notify('credentials', '');
    RETURN NULL;
END $$;
CREATE TRIGGER credentials_changed AFTER INSERT OR UPDATE OR DELETE ON node_credential
    FOR EACH STATEMENT EXECUTE FUNCTION credentials_changed();

CREATE TABLE node_state (
    node_id text PRIMARY KEY REFERENCES node,
    state text NOT NULL,
    con bigint NOT NULL,
    boot bigint,
    battery smallint,
    subs jsonb NOT NULL DEFAULT '{}',
    plan_revision bigint,
    state_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    ready_since timestamptz                   -- NULL: not ready now
);

-- How long a node has been back: what it kept while it was away needs a while to arrive.
CREATE FUNCTION node_came_or_went() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'ready' THEN
        NEW.ready_since := NULL;
    ELSIF TG_OP = 'INSERT' OR OLD.state <> 'ready' OR OLD.con <> NEW.con THEN
        NEW.ready_since := NEW.seen_at;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER node_came_or_went BEFORE INSERT OR UPDATE ON node_state
    FOR EACH ROW EXECUTE FUNCTION node_came_or_went();

CREATE TABLE device (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id text NOT NULL REFERENCES node,
    dev text NOT NULL,                        -- '' is the node itself
    type text NOT NULL DEFAULT 'other',
    maker text, model text, serial text, link text,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (node_id, dev)
);

-- Whom a device measures, over time. `who` is the profile slot; '' is the whole device.
CREATE TABLE device_binding (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id bigint NOT NULL REFERENCES device,
    who text NOT NULL DEFAULT '' CHECK (who ~ '^[A-H]?$'),
    patient_id bigint NOT NULL REFERENCES patient,
    during tstzrange NOT NULL CHECK (NOT isempty(during)),
    CONSTRAINT one_patient_per_slot
        EXCLUDE USING gist (device_id WITH =, who WITH =, during WITH &&)
);
CREATE INDEX device_binding_patient ON device_binding (patient_id);

-- Readings and blocks ---------------------------------------------------------------------------

CREATE TYPE clock_quality AS ENUM
    ('ntp', 'hub', 'gnss', 'cell', 'phone', 'manual', 'derived', 'untrusted', 'none', 'other');

-- One row is one reading. Its identity has no patient: reassigning and redelivering cannot
-- duplicate. v0..v3 follow the order of the parts in contract/vitals.yaml, in the canonical unit.
CREATE TABLE reading (
    device_id bigint NOT NULL,
    kind text NOT NULL,
    measured_at timestamptz NOT NULL,
    ordinal bigint NOT NULL DEFAULT 0,
    patient_id bigint,                        -- NULL: waits to be assigned
    v0 double precision, v1 double precision, v2 double precision, v3 double precision,
    flags integer NOT NULL DEFAULT 0,         -- bits numbered in contract/vitals.yaml
    clock clock_quality NOT NULL,
    claimed_at timestamptz,                   -- what the device said, when that cannot be true
    who text,
    session_id text,
    context jsonb,                            -- pos, site, how, session {n, of, done}
    original jsonb,                           -- unit and values as sent, when converted
    node_id text NOT NULL,
    boot bigint NOT NULL,
    seq bigint NOT NULL,
    sent_at timestamptz,                      -- envelope t: decides between corrections
    fix boolean NOT NULL DEFAULT false,       -- came as a correction: only a later one replaces it
    received_at timestamptz NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (device_id, kind, measured_at, ordinal)
) PARTITION BY RANGE (measured_at);
CREATE INDEX reading_chart ON reading (patient_id, kind, measured_at);

-- The same identity with another value and no `fix`: kept and shown, never dropped in silence.
CREATE TABLE reading_conflict (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id bigint NOT NULL, kind text NOT NULL,
    measured_at timestamptz NOT NULL, ordinal bigint NOT NULL,
    patient_id bigint,
    v0 double precision, v1 double precision, v2 double precision, v3 double precision,
    flags integer NOT NULL,
    node_id text NOT NULL, boot bigint NOT NULL, seq bigint NOT NULL,
    received_at timestamptz NOT NULL,
    UNIQUE (node_id, boot, seq, device_id, kind, measured_at, ordinal)
);
CREATE INDEX reading_conflict_reading ON reading_conflict (device_id, kind, measured_at);
CREATE INDEX reading_conflict_patient ON reading_conflict (patient_id, measured_at);

-- What a reading was before a correction or a reassignment. Append-only.
CREATE TABLE reading_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id bigint NOT NULL, kind text NOT NULL,
    measured_at timestamptz NOT NULL, ordinal bigint NOT NULL,
    before jsonb NOT NULL,
    reason text NOT NULL CHECK (reason IN ('corrected', 'reassigned', 'withdrawn')),
    actor text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX reading_history_reading ON reading_history (device_id, kind, measured_at);

-- A series with a regular step. One row a column (part 0..3) of the series.
CREATE TABLE block (
    device_id bigint NOT NULL,
    kind text NOT NULL,
    start_at timestamptz NOT NULL,
    part smallint NOT NULL DEFAULT 0,
    step_ms integer NOT NULL CHECK (step_ms > 0),
    samples real[] NOT NULL,
    quality smallint[],
    patient_id bigint,
    flags integer NOT NULL DEFAULT 0,
    clock clock_quality NOT NULL,
    who text,
    context jsonb,
    node_id text NOT NULL,
    boot bigint NOT NULL,
    seq bigint NOT NULL,
    received_at timestamptz NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (device_id, kind, start_at, part)
) PARTITION BY RANGE (start_at);
CREATE INDEX block_chart ON block (patient_id, kind, start_at);

-- Message identity: what was durably taken (or durably refused) from a node, once. The digest of
-- its content tells a resend from a node that lost its count and uses the same numbers again.
CREATE TABLE message (
    node_id text NOT NULL,
    boot bigint NOT NULL,
    seq bigint NOT NULL,
    kind text NOT NULL,
    digest bigint NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (node_id, boot, seq)
);
CREATE INDEX message_age ON message USING brin (received_at);

CREATE TABLE reject (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL,
    node_id text,                             -- NULL: the topic named no node of ours
    topic text NOT NULL,
    boot bigint, seq bigint,
    code text NOT NULL,
    path text,
    got text,
    reason text NOT NULL,
    payload bytea NOT NULL,                   -- at most one packet
    kept integer NOT NULL DEFAULT 0,
    dropped integer NOT NULL DEFAULT 0
);
CREATE INDEX reject_node ON reject (node_id, received_at);

-- Calls for help and other events: one row each, whatever is redelivered.
CREATE TABLE event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id text NOT NULL,
    event_id text NOT NULL,
    type text NOT NULL,
    severity text,
    patient_id bigint,                        -- may be unknown: it still lands (safety rule 4)
    occurred_at timestamptz NOT NULL,
    clock clock_quality NOT NULL,
    received_at timestamptz NOT NULL,
    ref text,
    body jsonb NOT NULL,
    UNIQUE (node_id, event_id)
);
CREATE INDEX event_patient ON event (patient_id, occurred_at);

-- The feed: what was committed, once, in commit order (architecture.md, D5). The id is drawn
-- under an advisory lock as the last statement before commit.
CREATE TABLE batch (
    id bigint PRIMARY KEY,
    kind text NOT NULL,
    payload bytea NOT NULL,
    items integer NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE SEQUENCE batch_id OWNED BY batch.id;

CREATE TABLE feed_cursor (
    consumer text PRIMARY KEY,
    position bigint NOT NULL,
    moved_at timestamptz NOT NULL DEFAULT now()
);

-- Judgement: episodes, history, the outbox -------------------------------------------------------

CREATE TABLE episode (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    patient_id bigint REFERENCES patient,
    node_id text REFERENCES node,
    device_id bigint REFERENCES device,
    team_id bigint REFERENCES team,
    rule text NOT NULL,
    rule_version integer NOT NULL,
    subject text NOT NULL DEFAULT '',         -- for events: the event itself
    priority text NOT NULL CHECK (priority IN ('high', 'medium', 'low', 'technical')),
    -- pending: waits for the repeat; nobody is paged yet (safety rule 6)
    state text NOT NULL CHECK (state IN ('pending', 'open', 'acknowledged', 'closed')),
    confirmation text NOT NULL DEFAULT 'not_needed'
        CHECK (confirmation IN ('not_needed', 'waiting', 'confirmed', 'unconfirmed', 'refuted')),
    confirm_by timestamptz,
    late boolean NOT NULL DEFAULT false,
    onset_at timestamptz NOT NULL,            -- measured time of the first evidence
    last_evidence_at timestamptz NOT NULL,    -- measured time of the newest evidence
    opened_at timestamptz NOT NULL,
    reason text NOT NULL,
    evidence jsonb NOT NULL DEFAULT '[]',
    policy jsonb NOT NULL,                    -- stamped when it opened: ladder and seconds
    step integer NOT NULL DEFAULT 0,          -- how many steps of the ladder were told
    round integer NOT NULL DEFAULT 0,         -- how often the ladder started again
    -- How grave it is: 0 worklist, 1 attention, 2 severe, 3 emergency.
    tier smallint NOT NULL DEFAULT 0 CHECK (tier BETWEEN 0 AND 3),
    -- What people were last told of, or acknowledged: the tier, and the newest evidence then.
    told_tier smallint CHECK (told_tier BETWEEN 0 AND 3),
    covered_until timestamptz,
    escalate_at timestamptz,                  -- NULL: nobody else is to be told by time
    unanswered_at timestamptz,                -- then the device says that nobody has answered
    acknowledged_at timestamptz,
    acknowledged_by bigint REFERENCES staff,
    acknowledged_until timestamptz,
    closed_at timestamptz,
    closed_by bigint REFERENCES staff,
    outcome text,
    next_step text,
    note text,
    CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
    CHECK ((state = 'acknowledged') <= (acknowledged_at IS NOT NULL)),
    -- A person closes with an outcome; only the engine withdraws, and says so.
    CHECK (state <> 'closed' OR (outcome IS NOT NULL))
);
-- A second emergency is a second emergency: one open episode per patient, rule and subject.
-- Without a patient it is the device's, or the node's.
CREATE UNIQUE INDEX one_open_episode ON episode
    (coalesce(patient_id, 0), (CASE WHEN patient_id IS NULL THEN device_id END),
     (CASE WHEN patient_id IS NULL THEN node_id END), rule, subject) NULLS NOT DISTINCT
    WHERE state <> 'closed';
CREATE INDEX episode_unanswered ON episode (unanswered_at) WHERE unanswered_at IS NOT NULL;
CREATE INDEX episode_confirm ON episode (confirm_by) WHERE confirm_by IS NOT NULL;
CREATE INDEX episode_acknowledged ON episode (acknowledged_until) WHERE state = 'acknowledged';
CREATE INDEX episode_device ON episode (device_id, opened_at) WHERE patient_id IS NULL;
CREATE INDEX episode_subject ON episode (rule, subject);
CREATE INDEX episode_worklist ON episode (team_id, state) WHERE state <> 'closed';
CREATE INDEX episode_patient ON episode (patient_id, opened_at);
CREATE INDEX episode_due ON episode (escalate_at) WHERE escalate_at IS NOT NULL;

CREATE TABLE episode_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    episode_id bigint NOT NULL REFERENCES episode,
    at timestamptz NOT NULL,
    -- The words of IHE alert communication, plus what people do.
    phase text NOT NULL CHECK (phase IN ('start', 'continue', 'update', 'escalate', 'de-escalate',
        'end', 'suppress', 'notify', 'acknowledge', 'acknowledgement_expired')),
    actor text NOT NULL,                      -- 'engine' or 'staff:<id>'
    reason text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX episode_history_episode ON episode_history (episode_id, id);

-- The outbox: written with the episode in one transaction, sent afterwards.
CREATE TABLE notification (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    episode_id bigint NOT NULL REFERENCES episode,
    idempotency_key text NOT NULL UNIQUE,
    channel text NOT NULL CHECK (channel IN ('console', 'webhook')),
    staff_id bigint REFERENCES staff,
    team_id bigint REFERENCES team,
    contact_id bigint REFERENCES contact,
    round integer NOT NULL DEFAULT 0,         -- the episode's round and step it belongs to;
    step integer NOT NULL DEFAULT 0,          -- step 0: shown on the worklist, nobody is paged
    reason text NOT NULL,
    body jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    -- queued -> delivered | failed (needs a person) | dropped (no longer true, with its reason)
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'delivered', 'failed', 'dropped')),
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    settled_at timestamptz,
    last_error text
);
CREATE INDEX notification_due ON notification (next_attempt_at) WHERE state = 'queued';
CREATE INDEX notification_episode ON notification (episode_id);

CREATE TABLE delivery (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    notification_id bigint NOT NULL REFERENCES notification,
    at timestamptz NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('delivered', 'try_again', 'needs_person')),
    detail text NOT NULL DEFAULT '',
    took_ms integer NOT NULL
);
CREATE INDEX delivery_notification ON delivery (notification_id);

-- Plans, doses, commands ---------------------------------------------------------------------------

CREATE TABLE plan_item (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    patient_id bigint NOT NULL REFERENCES patient,
    node_id text NOT NULL REFERENCES node,    -- the device that rings
    who text CHECK (who ~ '^[A-H]$'),         -- needed where the node serves more than one person
    kind text NOT NULL DEFAULT 'med' CHECK (kind IN ('med', 'measure')),
    drug text NOT NULL CHECK (drug <> ''),
    dose_text text NOT NULL DEFAULT '',
    text_zh text NOT NULL CHECK (text_zh <> ''),
    text_en text NOT NULL CHECK (text_en <> ''),
    times time[] NOT NULL CHECK (cardinality(times) BETWEEN 1 AND 8),
    weekdays smallint[] NOT NULL DEFAULT '{1,2,3,4,5,6,7}',   -- ISO: Monday is 1
    starts_on date NOT NULL,
    ends_on date,
    window_before_s integer NOT NULL DEFAULT 900 CHECK (window_before_s >= 0),
    window_after_s integer NOT NULL DEFAULT 3600 CHECK (window_after_s > 0),
    snooze_s integer NOT NULL DEFAULT 600 CHECK (snooze_s > 0),
    snooze_max integer NOT NULL DEFAULT 2 CHECK (snooze_max >= 0),
    created_by bigint REFERENCES staff,
    -- The item this one took over from: a dose taken under the old one is not asked for again.
    replaces_id bigint REFERENCES plan_item,
    created_at timestamptz NOT NULL DEFAULT now(),
    stopped_at timestamptz,
    stopped_by bigint REFERENCES staff
);
CREATE INDEX plan_item_node ON plan_item (node_id);
CREATE INDEX plan_item_patient ON plan_item (patient_id);

-- Every edit makes a wish; downlink turns it into the next revision on the device's topic.
CREATE TABLE plan (
    node_id text PRIMARY KEY REFERENCES node,
    edited_at timestamptz NOT NULL,           -- last change by a person
    edit bigint NOT NULL DEFAULT 1,           -- counts edits
    published_edit bigint NOT NULL DEFAULT 0,
    revision bigint NOT NULL DEFAULT 0,       -- last revision made
    edit_revision bigint NOT NULL DEFAULT 0,  -- the first revision that holds the last edit
    published_at timestamptz,                 -- NULL: it waits to be handed to the broker (again)
    holds_until timestamptz,                  -- that revision has occurrences until then
    body bytea,                               -- that revision, as sent
    confirmed_revision bigint,                -- what the device says it has
    confirmed_at timestamptz,
    confirmed_until timestamptz               -- what the device has holds until then
);

CREATE TABLE dose (
    id text PRIMARY KEY,                      -- the occurrence id on the wire, stable for ever
    plan_item_id bigint NOT NULL REFERENCES plan_item,
    patient_id bigint NOT NULL REFERENCES patient,
    node_id text NOT NULL REFERENCES node,
    due_at timestamptz NOT NULL,
    window_from timestamptz NOT NULL,
    window_to timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'scheduled' CHECK (state IN ('scheduled', 'received', 'shown',
        'snoozed', 'taken', 'late_taken', 'skipped', 'missed', 'failed', 'withdrawn')),
    state_at timestamptz,                     -- the device's time of that state
    by text,
    why text,
    recorded_at timestamptz
);
-- Never two doses for one slot. A withdrawn one may give its slot to another.
CREATE UNIQUE INDEX one_dose_per_slot ON dose (plan_item_id, due_at) WHERE state <> 'withdrawn';
CREATE INDEX dose_patient ON dose (patient_id, due_at);
CREATE INDEX dose_open ON dose (window_to) WHERE state IN ('scheduled', 'received', 'shown', 'snoozed');

CREATE TABLE dose_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dose_id text NOT NULL REFERENCES dose,
    state text NOT NULL,
    at timestamptz NOT NULL,
    by text, why text,
    taken_over boolean NOT NULL,              -- false: said, kept, but the dose's state stayed
    recorded_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (dose_id, state, at, by)
);

CREATE TABLE command (
    id text PRIMARY KEY,
    node_id text NOT NULL REFERENCES node,
    op text NOT NULL,
    args jsonb NOT NULL DEFAULT '{}',
    episode_id bigint REFERENCES episode,
    created_by text NOT NULL DEFAULT 'engine',
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    published_at timestamptz,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sent', 'accepted', 'ok',
        'error', 'busy', 'unsupported', 'expired')),
    out jsonb,
    session_id text,
    answered_at timestamptz
);
CREATE INDEX command_open ON command (expires_at) WHERE state IN ('queued', 'sent', 'accepted');

-- Anything else for a device (the progress of an event, an ad-hoc reminder): downlink publishes.
CREATE TABLE outbound (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id text NOT NULL REFERENCES node,
    kind text NOT NULL CHECK (kind IN ('fb', 'reminder')),
    payload bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    published_at timestamptz
);
CREATE INDEX outbound_open ON outbound (id) WHERE published_at IS NULL;

-- Wakes downlink; polling is the truth.
CREATE FUNCTION downlink_wanted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('downlink', TG_TABLE_NAME); RETURN NULL; END $$;
CREATE TRIGGER downlink_wanted AFTER INSERT ON command
    FOR EACH STATEMENT EXECUTE FUNCTION downlink_wanted();
CREATE TRIGGER downlink_wanted AFTER INSERT ON outbound
    FOR EACH STATEMENT EXECUTE FUNCTION downlink_wanted();
CREATE TRIGGER downlink_wanted AFTER INSERT OR UPDATE OF edit ON plan
    FOR EACH STATEMENT EXECUTE FUNCTION downlink_wanted();

-- What the console shows by itself: any change of an episode, a dose or a plan.
CREATE FUNCTION console_wanted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('console', TG_TABLE_NAME); RETURN NULL; END $$;
CREATE TRIGGER console_wanted AFTER INSERT OR UPDATE ON episode
    FOR EACH STATEMENT EXECUTE FUNCTION console_wanted();
CREATE TRIGGER console_wanted AFTER INSERT OR UPDATE ON dose
    FOR EACH STATEMENT EXECUTE FUNCTION console_wanted();
CREATE TRIGGER console_wanted AFTER UPDATE ON plan
    FOR EACH STATEMENT EXECUTE FUNCTION console_wanted();
CREATE TRIGGER console_wanted AFTER INSERT ON batch
    FOR EACH STATEMENT EXECUTE FUNCTION console_wanted();

-- Audit: who signed in, who did what to whom. Append-only, like every history. ----------------------

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    staff_id bigint REFERENCES staff,
    action text NOT NULL,                     -- sign_in, sign_in_failed, sign_out, view, acknowledge, ...
    subject_kind text NOT NULL DEFAULT '',
    subject_id text NOT NULL DEFAULT '',
    address text,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_subject ON audit (subject_kind, subject_id, at);
-- The lock-out counts failed sign-ins per account (above) and per address.
CREATE INDEX audit_address ON audit (address, at) WHERE action = 'sign_in_failed';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = 'append_only';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON episode_history
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON reading_history
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON dose_history
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Scope: care team x area subtree, said once. An administrator sees everything; a disabled
-- person sees nothing. ---------------------------------------------------------------------------

CREATE FUNCTION is_administrator(for_staff bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM staff
                   WHERE id = for_staff AND role = 'admin' AND disabled_at IS NULL) $$;

CREATE FUNCTION staff_teams(for_staff bigint) RETURNS SETOF bigint LANGUAGE sql STABLE AS $$
    SELECT team_member.team_id FROM team_member
    JOIN staff ON staff.id = team_member.staff_id AND staff.disabled_at IS NULL
    WHERE team_member.staff_id = for_staff $$;

-- The areas of a person's teams and every area below them.
CREATE FUNCTION staff_areas(for_staff bigint) RETURNS SETOF bigint LANGUAGE sql STABLE AS $$
    WITH RECURSIVE below AS (
        SELECT team.area_id AS id FROM team WHERE team.id IN (SELECT * FROM staff_teams(for_staff))
        UNION
        SELECT area.id FROM area JOIN below ON area.parent_id = below.id)
    SELECT id FROM below $$;

-- Unions, not ORs, and `IN (SELECT * FROM visible_…(…))` in queries: so PostgreSQL takes the
-- functions apart and uses the indexes. These two leave administrators out.
CREATE FUNCTION patients_in_care(for_staff bigint) RETURNS SETOF bigint LANGUAGE sql STABLE AS $$
    SELECT patient.id FROM patient
    WHERE patient.team_id IN (SELECT * FROM staff_teams(for_staff))
    UNION
    SELECT patient.id FROM patient
    WHERE patient.area_id IN (SELECT * FROM staff_areas(for_staff)) $$;

CREATE FUNCTION nodes_in_care(for_staff bigint) RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT node.id FROM node JOIN household ON household.id = node.household_id
    WHERE household.team_id IN (SELECT * FROM staff_teams(for_staff))
    UNION
    SELECT node.id FROM node WHERE node.area_id IN (SELECT * FROM staff_areas(for_staff)) $$;

CREATE FUNCTION visible_patients(for_staff bigint) RETURNS SETOF bigint LANGUAGE sql STABLE AS $$
    SELECT * FROM patients_in_care(for_staff)
    UNION
    SELECT patient.id FROM patient WHERE is_administrator(for_staff) $$;

CREATE FUNCTION visible_nodes(for_staff bigint) RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT * FROM nodes_in_care(for_staff)
    UNION
    SELECT node.id FROM node WHERE is_administrator(for_staff) $$;

-- Whoever is told of an episode may also act on it: the team it went to, and the patient's own.
CREATE FUNCTION visible_episodes(for_staff bigint) RETURNS SETOF bigint LANGUAGE sql STABLE AS $$
    SELECT episode.id FROM episode
    WHERE episode.team_id IN (SELECT * FROM staff_teams(for_staff))
    UNION
    SELECT episode.id FROM episode
    WHERE episode.patient_id IN (SELECT * FROM patients_in_care(for_staff))
    UNION
    SELECT episode.id FROM episode
    WHERE episode.patient_id IS NULL
      AND episode.node_id IN (SELECT * FROM nodes_in_care(for_staff))
    UNION
    SELECT episode.id FROM episode WHERE is_administrator(for_staff) $$;
