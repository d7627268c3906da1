-- How the two series tables are kept: as hypertables with a columnstore where TimescaleDB is there,
-- else as the monthly partitions they are. Chosen here, once; nobody asks the extension later.
-- store/series.py is the one place that knows the difference.

CREATE TABLE series_choice (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    engine text NOT NULL CHECK (engine IN ('native', 'timescaledb')),
    chosen_at timestamptz NOT NULL DEFAULT now()
);

-- A database that holds rows stays as it is: nothing is moved under somebody who writes.
INSERT INTO series_choice (engine)
SELECT CASE WHEN EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')
             AND NOT EXISTS (SELECT FROM pg_inherits
                             WHERE inhparent IN ('reading'::regclass, 'block'::regclass))
       THEN 'timescaledb' ELSE 'native' END;

CREATE FUNCTION series_engine() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT engine FROM series_choice $$;

DO $choice$ BEGIN
    IF series_engine() <> 'timescaledb' THEN RETURN; END IF;

    CREATE TABLE reading_kept (LIKE reading INCLUDING ALL);
    DROP TABLE reading;
    ALTER TABLE reading_kept RENAME TO reading;
    ALTER INDEX reading_kept_pkey RENAME TO reading_pkey;
    ALTER INDEX reading_kept_patient_id_kind_measured_at_idx RENAME TO reading_chart;
    PERFORM create_hypertable('reading', by_range('measured_at', interval '28 days'),
                              create_default_indexes => false);
    ALTER TABLE reading SET (timescaledb.enable_columnstore,
        timescaledb.segmentby = 'patient_id, kind',
        timescaledb.orderby = 'measured_at, device_id, ordinal');

    CREATE TABLE block_kept (LIKE block INCLUDING ALL);
    DROP TABLE block;
    ALTER TABLE block_kept RENAME TO block;
    ALTER INDEX block_kept_pkey RENAME TO block_pkey;
    ALTER INDEX block_kept_patient_id_kind_start_at_idx RENAME TO block_chart;
    PERFORM create_hypertable('block', by_range('start_at', interval '7 days'),
                              create_default_indexes => false);
    ALTER TABLE block SET (timescaledb.enable_columnstore,
        timescaledb.segmentby = 'patient_id, kind',
        timescaledb.orderby = 'part, start_at, device_id');
END $choice$;
