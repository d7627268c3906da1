-- Aggregates for charts: readings by the patient's own day, dense series by minute. Plain tables kept
-- by a job on both kinds of server (docs/adr/0013): what changed is read from the feed, marked here,
-- and computed anew from what is stored.

-- What does not count (flags, a clock not to be trusted) is in `left_out` and in nothing else.
CREATE TABLE reading_day (
    patient_id bigint NOT NULL,
    kind text NOT NULL,
    day date NOT NULL,                        -- where the patient was then
    n integer NOT NULL,
    left_out integer NOT NULL,
    low0 double precision, low1 double precision, low2 double precision, low3 double precision,
    high0 double precision, high1 double precision, high2 double precision, high3 double precision,
    mean0 double precision, mean1 double precision, mean2 double precision, mean3 double precision,
    first0 double precision, first1 double precision,
    first2 double precision, first3 double precision,
    last0 double precision, last1 double precision, last2 double precision, last3 double precision,
    first_at timestamptz, last_at timestamptz,
    PRIMARY KEY (patient_id, kind, day)
);

-- An hour of minutes a row, because most of a row each would be its key.
CREATE TABLE block_hour (
    patient_id bigint NOT NULL,
    device_id bigint NOT NULL,
    kind text NOT NULL,
    part smallint NOT NULL,
    hour timestamptz NOT NULL,
    left_out boolean NOT NULL,                -- what does not count stands in rows of its own
    flags integer NOT NULL,
    n integer[] NOT NULL,                     -- by minute, 60 of each; NULL where nothing is
    low real[] NOT NULL,
    mean real[] NOT NULL,
    high real[] NOT NULL,
    PRIMARY KEY (patient_id, kind, hour, part, device_id, left_out)
) WITH (fillfactor = 70);

-- What is to be computed anew.
CREATE TABLE reading_day_due (
    patient_id bigint NOT NULL,
    kind text NOT NULL,
    day date NOT NULL,
    PRIMARY KEY (patient_id, kind, day)
);
CREATE TABLE block_hour_due (
    patient_id bigint NOT NULL,
    kind text NOT NULL,
    hour timestamptz NOT NULL,
    PRIMARY KEY (patient_id, kind, hour)
);

-- What was stored before there were aggregates, or whose days have changed: a stretch at a time.
CREATE TABLE aggregate_again (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    series text NOT NULL CHECK (series IN ('reading', 'block')),
    -- Either all of a patient, or a stretch of everybody's.
    patient_id bigint,
    since timestamptz,
    until timestamptz,
    CHECK ((patient_id IS NULL) = (since IS NOT NULL AND until IS NOT NULL))
);
-- `longest`: no dense series lasts longer, so it is known how far back to look for one.
CREATE TABLE aggregate_state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    begun boolean NOT NULL DEFAULT false,
    longest interval NOT NULL DEFAULT '0'
);
INSERT INTO aggregate_state DEFAULT VALUES;

-- Where a patient was at an instant, as the name of a time zone.
CREATE FUNCTION zone_of(for_patient bigint, at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT time_zone FROM patient_time_zone AS own
         WHERE own.patient_id = for_patient AND own.since <= at ORDER BY own.since DESC LIMIT 1),
        (SELECT area.time_zone FROM patient JOIN area ON area.id = patient.area_id
         WHERE patient.id = for_patient),
        'UTC') $$;

-- Another zone makes other days of the same readings.
CREATE FUNCTION days_have_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF TG_TABLE_NAME = 'patient_time_zone' THEN
        INSERT INTO aggregate_again (series, patient_id)
        VALUES ('reading', coalesce(NEW.patient_id, OLD.patient_id));
    ELSIF TG_TABLE_NAME = 'patient' THEN
        INSERT INTO aggregate_again (series, patient_id)
        VALUES ('reading', NEW.id);
    ELSE
        INSERT INTO aggregate_again (series, patient_id)
        SELECT 'reading', patient.id FROM patient WHERE area_id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER days_have_changed AFTER INSERT OR UPDATE OR DELETE ON patient_time_zone
    FOR EACH ROW EXECUTE FUNCTION days_have_changed();
CREATE TRIGGER days_have_changed AFTER UPDATE ON patient
    FOR EACH ROW WHEN (OLD.area_id <> NEW.area_id) EXECUTE FUNCTION days_have_changed();
CREATE TRIGGER days_have_changed AFTER UPDATE ON area
    FOR EACH ROW WHEN (OLD.time_zone <> NEW.time_zone) EXECUTE FUNCTION days_have_changed();
