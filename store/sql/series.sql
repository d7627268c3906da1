-- name: offer
-- Whether TimescaleDB is there to be used: loaded by the server, new enough for the columnstore,
-- with a licence that has it, and this database still without a schema.
SELECT current_setting('timescaledb.license', true) IS DISTINCT FROM 'apache'
   AND current_setting('timescaledb.disable_load', true) IS NOT NULL
   AND string_to_array(split_part(default_version, '-', 1), '.')::integer[] >= ARRAY[2, 20]
   AND to_regclass('reading') IS NULL
FROM pg_available_extensions WHERE name = 'timescaledb' AND installed_version IS NULL

-- name: use
-- From here on; a database owner may, the extension is trusted.
CREATE EXTENSION timescaledb

-- name: engine
-- What was chosen for this database.
SELECT engine FROM series_choice

-- name: server
-- The server's version, and that of TimescaleDB in this database.
SELECT current_setting('server_version'),
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb')

-- name: lift_reading
-- Out of the columns, into a row that can be locked; locked. An equality for each column, because
-- only these find the one batch that has to be opened.
UPDATE reading SET fix = fix
WHERE patient_id = %(patient_id)s AND device_id = %(device_id)s AND kind = %(kind)s
  AND measured_at = %(at)s AND ordinal = %(place)s

-- name: lift_reading_unassigned
-- The same for one without a patient.
UPDATE reading SET fix = fix
WHERE patient_id IS NULL AND device_id = %(device_id)s AND kind = %(kind)s
  AND measured_at = %(at)s AND ordinal = %(place)s

-- name: lift_block
-- The same for a dense series.
UPDATE block SET flags = flags
WHERE patient_id = %(patient_id)s AND device_id = %(device_id)s AND kind = %(kind)s
  AND start_at = %(at)s AND part = %(place)s

-- name: lift_block_unassigned
-- The same for one without a patient.
UPDATE block SET flags = flags
WHERE patient_id IS NULL AND device_id = %(device_id)s AND kind = %(kind)s
  AND start_at = %(at)s AND part = %(place)s

-- name: columns_until
-- The end of the youngest chunk in columns; what is later is in rows.
SELECT max(range_end) FROM timescaledb_information.chunks
WHERE hypertable_schema = current_schema() AND hypertable_name = %(table)s AND is_compressed

-- name: chunks
-- The chunks of a table, oldest first: from, to, whether in columns, and whether late rows wait.
SELECT format('%%I.%%I', chunk_schema, chunk_name), range_start, range_end, is_compressed,
       is_compressed AND _timescaledb_functions.chunk_status(
           format('%%I.%%I', chunk_schema, chunk_name)::regclass) <> 1
FROM timescaledb_information.chunks
WHERE hypertable_schema = current_schema() AND hypertable_name = %(table)s
ORDER BY range_start

-- name: drop_chunks
-- Every chunk that ended by then, with its rows.
SELECT drop_chunks(%(table)s::regclass, older_than => %(before)s::timestamptz)

-- name: compress
-- One chunk into columns; a second time takes its late rows in.
SELECT compress_chunk(%(chunk)s::regclass)

-- name: hurry
-- Rather not now than make writers wait behind us.
SELECT set_config('lock_timeout', '500ms', true)

-- name: take_time
-- Making columns of a month may last.
SELECT set_config('statement_timeout', '0', true)
