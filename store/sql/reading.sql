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

-- name: differing
-- What is stored under an identity that came again with another value, or as a correction.
SELECT i.n, r.v0, r.v1, r.v2, r.v3, r.flags, r.who, r.fix, r.sent_at, r.received_at, r.seq,
       r.patient_id, r.node_id, r.boot
FROM incoming_reading AS i
JOIN reading AS r USING (device_id, kind, measured_at, ordinal)
WHERE i.fix
   OR (i.v0, i.v1, i.v2, i.v3, i.flags) IS DISTINCT FROM (r.v0, r.v1, r.v2, r.v3, r.flags)
ORDER BY device_id, kind, measured_at, ordinal, i.n
FOR UPDATE OF r

-- name: conflict
-- Another value under the same identity, kept beside the first; once, however often it comes.
INSERT INTO reading_conflict (device_id, kind, measured_at, ordinal, patient_id, v0, v1, v2, v3,
    flags, node_id, boot, seq, received_at, replayed_at)
SELECT device_id, kind, measured_at, ordinal, patient_id, v0, v1, v2, v3, flags, node_id, boot,
    seq, received_at, replayed_at
FROM incoming_reading WHERE n = ANY(%(n)s)
ON CONFLICT DO NOTHING
RETURNING (SELECT min(n) FROM incoming_reading AS i
           WHERE (i.device_id, i.kind, i.measured_at, i.ordinal, i.boot, i.seq)
               = (reading_conflict.device_id, reading_conflict.kind, reading_conflict.measured_at,
                  reading_conflict.ordinal, reading_conflict.boot, reading_conflict.seq)
             AND i.node_id = reading_conflict.node_id AND i.n = ANY(%(n)s))

-- name: correct
-- A correction takes the place of the stored value. The patient changes only with the slot, so
-- that a reading assigned by hand stays assigned.
UPDATE reading AS r SET v0 = i.v0, v1 = i.v1, v2 = i.v2, v3 = i.v3, flags = i.flags,
    clock = i.clock::clock_quality, claimed_at = i.claimed_at, session_id = i.session_id,
    context = i.context::jsonb, original = i.original::jsonb, fix = true, node_id = i.node_id,
    boot = i.boot, seq = i.seq, sent_at = i.sent_at, received_at = i.received_at,
    replayed_at = i.replayed_at,
    patient_id = CASE WHEN r.who IS DISTINCT FROM i.who THEN i.patient_id ELSE r.patient_id END,
    who = i.who, stored_at = now()
FROM incoming_reading AS i
WHERE i.n = ANY(%(n)s)
  AND (r.device_id, r.kind, r.measured_at, r.ordinal)
    = (i.device_id, i.kind, i.measured_at, i.ordinal)
RETURNING i.n, r.patient_id

-- name: history
-- What a reading was, or what came too late to become it.
INSERT INTO reading_history (device_id, kind, measured_at, ordinal, before, reason, actor)
SELECT i.device_id, i.kind, i.measured_at, i.ordinal, h.before::jsonb, 'corrected', i.node_id
FROM unnest(%(n)s::integer[], %(before)s::text[]) AS h (n, before)
JOIN incoming_reading AS i USING (n)
