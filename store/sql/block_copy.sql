-- name: copy
-- Blocks nobody has said before; what they do not name is empty.
COPY block (device_id, kind, start_at, part, step_ms, patient_id, flags, clock, who, context, node_id,
    samples, boot, seq, received_at) FROM STDIN (FORMAT BINARY)

-- name: known
-- The places of those that are there already, or say again what one before them said.
WITH incoming AS (
    SELECT n - 1 AS n, device_id, kind, start_at, part,
           row_number() OVER (PARTITION BY device_id, kind, start_at, part ORDER BY n) AS nth
    FROM unnest(%(device_id)s::bigint[], %(kind)s::text[], %(at)s::timestamptz[],
                %(part)s::smallint[])
        WITH ORDINALITY AS said (device_id, kind, start_at, part, n)
)
SELECT n FROM incoming
WHERE nth > 1 OR EXISTS (SELECT FROM block AS b
                         WHERE (b.device_id, b.kind, b.start_at, b.part)
                             = (incoming.device_id, incoming.kind, incoming.start_at,
                                incoming.part))

-- name: overlapping
-- The places of those in whose time another block has a sample, where its steps can meet theirs.
SELECT i.n - 1
FROM unnest(%(device_id)s::bigint[], %(kind)s::text[], %(part)s::smallint[], %(at)s::timestamptz[],
            %(until)s::timestamptz[], %(step)s::integer[])
    WITH ORDINALITY AS i (device_id, kind, part, at, until, step, n)
CROSS JOIN LATERAL (
    SELECT start_at, step_ms, cardinality(samples) AS samples, clock FROM block
    WHERE block.device_id = i.device_id AND block.kind = i.kind AND block.part = i.part
      AND block.start_at <= i.until AND block.start_at >= i.at - %(reach)s::interval
    ORDER BY block.start_at DESC LIMIT 4) AS b
WHERE b.start_at <> i.at AND b.clock <> 'untrusted'
  AND b.start_at + (b.samples - 1) * b.step_ms * interval '1 ms' >= i.at
  AND extract(epoch FROM b.start_at - i.at)::numeric * 1000 %% gcd(b.step_ms, i.step) = 0

-- name: ends
-- Until when these series are stored, of what begins not long before them or later.
SELECT i.n - 1, max(b.start_at + (b.samples - 1) * b.step_ms * interval '1 ms')
FROM unnest(%(device_id)s::bigint[], %(kind)s::text[], %(part)s::smallint[], %(at)s::timestamptz[])
    WITH ORDINALITY AS i (device_id, kind, part, at, n)
CROSS JOIN LATERAL (
    SELECT start_at, step_ms, cardinality(samples) AS samples FROM block
    WHERE block.device_id = i.device_id AND block.kind = i.kind AND block.part = i.part
      AND block.start_at >= i.at - %(reach)s::interval
    ORDER BY block.start_at DESC LIMIT 16) AS b
GROUP BY i.n
