-- name: incoming
-- Where a writer's connection puts blocks before they are merged; empty after every transaction.
CREATE TEMP TABLE IF NOT EXISTS incoming_block (
    n integer, device_id bigint, kind text, start_at timestamptz, part smallint, step_ms integer,
    samples real[], quality smallint[], patient_id bigint, flags integer, clock text,
    claimed_at timestamptz, who text, context text, node_id text, boot bigint, seq bigint, received_at timestamptz
) ON COMMIT DELETE ROWS

-- name: copy
-- The batch, in binary.
COPY incoming_block FROM STDIN (FORMAT BINARY)

-- name: insert
-- What was not there yet, the first of each identity; sorted, so that writers cannot deadlock.
INSERT INTO block (device_id, kind, start_at, part, step_ms, samples, quality, patient_id, flags,
    clock, claimed_at, who, context, node_id, boot, seq, received_at)
SELECT DISTINCT ON (device_id, kind, start_at, part)
    device_id, kind, start_at, part, step_ms, samples, quality, patient_id, flags,
    clock::clock_quality, claimed_at, who, context::jsonb, node_id, boot, seq, received_at
FROM incoming_block
ORDER BY device_id, kind, start_at, part, n
ON CONFLICT DO NOTHING
RETURNING device_id, kind, start_at, part

-- name: clear
-- It may hold what this transaction put there before.
TRUNCATE incoming_block

-- name: near
-- What is there around the time of each row: whatever begins within it, and, of the sixteen that
-- begin before it, what reaches into it. One by one, which a month in TimescaleDB's columns needs:
-- a join would open all of it.
SELECT i.n - 1, b.start_at, b.step_ms, b.samples, b.flags, b.who, b.clock::text
FROM unnest(%(device_id)s::bigint[], %(kind)s::text[], %(part)s::smallint[],
            %(first)s::timestamptz[], %(last)s::timestamptz[])
    WITH ORDINALITY AS i (device_id, kind, part, first, last, n)
CROSS JOIN LATERAL (
    (SELECT * FROM block AS within
     WHERE within.device_id = i.device_id AND within.kind = i.kind AND within.part = i.part
       AND within.start_at >= i.first AND within.start_at <= i.last OFFSET 0)
    UNION ALL
    (SELECT * FROM block AS before
     WHERE before.device_id = i.device_id AND before.kind = i.kind AND before.part = i.part
       AND before.start_at < i.first AND before.start_at >= i.first - %(reach)s::interval
     ORDER BY before.start_at DESC LIMIT 16)) AS b
WHERE b.start_at >= i.first
   OR b.start_at + (cardinality(b.samples) - 1) * b.step_ms * interval '1 ms' >= i.first
