-- name: durable_commit
-- Writes to the log of the server and waits for the disk, without touching any table.
SELECT pg_logical_emit_message(true, 'hearthbeat', 'watch')
