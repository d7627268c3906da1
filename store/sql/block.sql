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
-- Before another batch in the same transaction.
TRUNCATE incoming_block

-- name: differing
-- Blocks whose identity is taken by other samples; and, where one goes on where the other ends, how
-- many samples are there already. One by one, which a month in TimescaleDB's columns needs: a join
-- would open all of it.
SELECT i.n, CASE
    WHEN (i.step_ms, i.flags, i.who) IS NOT DISTINCT FROM (b.step_ms, b.flags, b.who)
     AND i.samples[:least(cardinality(i.samples), cardinality(b.samples))]
       = b.samples[:least(cardinality(i.samples), cardinality(b.samples))]
    THEN cardinality(b.samples) END
FROM incoming_block AS i
CROSS JOIN LATERAL (
    SELECT * FROM block AS b
    WHERE (b.device_id, b.kind, b.start_at, b.part) = (i.device_id, i.kind, i.start_at, i.part)
    OFFSET 0) AS b
WHERE (i.step_ms, i.samples, i.flags, i.who)
      IS DISTINCT FROM (b.step_ms, b.samples, b.flags, b.who)
ORDER BY i.n
