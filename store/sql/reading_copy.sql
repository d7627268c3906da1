-- name: copy
-- Readings nobody has said before; what they do not name is empty.
COPY reading (device_id, kind, measured_at, ordinal, v0, v1, v2, v3, boot, seq, sent_at, received_at,
    patient_id, flags, clock, who, context, node_id) FROM STDIN (FORMAT BINARY)

-- name: known
-- The places of those that are there already, or say again what one before them said.
WITH incoming AS (
    SELECT n - 1 AS n, device_id, kind, measured_at, ordinal,
           row_number() OVER (PARTITION BY device_id, kind, measured_at, ordinal ORDER BY n) AS nth
    FROM unnest(%(device_id)s::bigint[], %(kind)s::text[], %(at)s::timestamptz[],
                %(ordinal)s::bigint[])
        WITH ORDINALITY AS said (device_id, kind, measured_at, ordinal, n)
)
SELECT n FROM incoming
WHERE nth > 1 OR EXISTS (SELECT FROM reading AS r
                         WHERE (r.device_id, r.kind, r.measured_at, r.ordinal)
                             = (incoming.device_id, incoming.kind, incoming.measured_at,
                                incoming.ordinal))
