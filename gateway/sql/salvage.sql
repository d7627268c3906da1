-- name: settle
-- Bring what the write-ahead log holds into the file.
PRAGMA wal_checkpoint(TRUNCATE)

-- name: check
-- "ok", or the first thing that is wrong with the structure, types and indexes included.
PRAGMA integrity_check(1)

-- name: tables
-- The tables of the schema.
SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'

-- name: columns
-- The columns of a table.
SELECT * FROM pragma_table_info(:table)

-- name: read
-- Every row from one end; the names come from our own schema.
SELECT {columns} FROM {table} ORDER BY 1 {direction}

-- name: insert
-- A rescued row; what contradicts the schema is left behind.
INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})
