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
