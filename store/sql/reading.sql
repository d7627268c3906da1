-- name: incoming
-- Where a writer's connection puts a batch before it is merged; empty after every transaction.
CREATE TEMP TABLE IF NOT EXISTS incoming_reading (
    n integer, device_id bigint, kind text, measured_at timestamptz, ordinal bigint,
    patient_id bigint, v0 float8, v1 float8, v2 float8, v3 float8, flags integer,
    clock text, claimed_at timestamptz, who text, session_id text, context text, original text,
    fix boolean, node_id text, boot bigint, seq bigint, sent_at timestamptz,
    received_at timestamptz, replayed_at timestamptz
) ON COMMIT DELETE ROWS

-- name: copy
-- The batch, in binary.
COPY incoming_reading FROM STDIN (FORMAT BINARY)

-- name: insert
-- What was not there yet, the first of each identity; sorted, so that writers cannot deadlock.
INSERT INTO reading (device_id, kind, measured_at, ordinal, patient_id, v0, v1, v2, v3, flags,
    clock, claimed_at, who, session_id, context, original, fix, node_id, boot, seq, sent_at,
    received_at, replayed_at)
SELECT DISTINCT ON (device_id, kind, measured_at, ordinal)
    device_id, kind, measured_at, ordinal, patient_id, v0, v1, v2, v3, flags,
    clock::clock_quality, claimed_at, who, session_id, context::jsonb, original::jsonb, fix,
    node_id, boot, seq, sent_at, received_at, replayed_at
FROM incoming_reading
ORDER BY device_id, kind, measured_at, ordinal, n
ON CONFLICT DO NOTHING
RETURNING device_id, kind, measured_at, ordinal
