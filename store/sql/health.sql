-- name: durable_commit
-- Writes to the log of the server and waits for the disk, without touching any table.
SELECT pg_logical_emit_message(true, 'hearthbeat', 'watch')

-- name: pages
-- Whether pages have checksums, and how often one of ours, or a shared one, did not match.
SELECT current_setting('data_checksums') = 'on', coalesce(sum(checksum_failures), 0)::bigint
FROM pg_stat_database WHERE datid = 0 OR datname = current_database()

-- name: room
-- Sorts more than its memory holds: that needs room on the disk, and leaves nothing there.
SELECT max(nth) FROM (
    SELECT row_number() OVER (ORDER BY md5(n::text)) AS nth FROM generate_series(1, 8000) AS n
) AS sorted
