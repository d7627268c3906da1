-- name: came
-- Rows of the batch whose identity is taken by something else, with what is stored under it.
SELECT i.n, r.v0, r.v1, r.v2, r.v3, r.flags, r.who, r.fix, r.sent_at, r.received_at, r.seq,
       r.patient_id, r.node_id, r.boot
FROM (SELECT * FROM incoming_reading
      WHERE measured_at >= %(since)s OR n = ANY(%(n)s::integer[])
      ORDER BY device_id, kind, measured_at, ordinal, n) AS i
CROSS JOIN LATERAL (
    SELECT * FROM reading AS r
    WHERE (r.device_id, r.kind, r.measured_at, r.ordinal)
        = (i.device_id, i.kind, i.measured_at, i.ordinal)
      AND (i.fix
           OR (i.v0, i.v1, i.v2, i.v3, i.flags, i.who)
              IS DISTINCT FROM (r.v0, r.v1, r.v2, r.v3, r.flags, r.who)
           OR (NOT r.fix
               AND coalesce(i.sent_at, i.received_at) < coalesce(r.sent_at, r.received_at)))
    FOR UPDATE) AS r

-- name: in_columns
-- The readings of `came` that lie where TimescaleDB has made columns. One by one, the patient's own
-- first: these lookups open single batches, where a join would open whole months.
SELECT i.n, i.device_id, i.kind, i.measured_at, i.ordinal, r.patient_id
FROM incoming_reading AS i
LEFT JOIN LATERAL (
    SELECT * FROM reading AS own
    WHERE (own.patient_id, own.device_id, own.kind, own.measured_at, own.ordinal)
        = (i.patient_id, i.device_id, i.kind, i.measured_at, i.ordinal) OFFSET 0) AS own ON true
LEFT JOIN LATERAL (
    SELECT * FROM reading AS other
    WHERE own.device_id IS NULL AND (other.device_id, other.kind, other.measured_at, other.ordinal)
        = (i.device_id, i.kind, i.measured_at, i.ordinal) OFFSET 0) AS other ON true
CROSS JOIN LATERAL (
    SELECT own.* WHERE own.device_id IS NOT NULL
    UNION ALL SELECT other.* WHERE other.device_id IS NOT NULL) AS r
WHERE i.measured_at < %(until)s AND i.n <> ALL(%(written)s)
  AND (i.fix
       OR (i.v0, i.v1, i.v2, i.v3, i.flags, i.who)
          IS DISTINCT FROM (r.v0, r.v1, r.v2, r.v3, r.flags, r.who)
       OR (NOT r.fix AND coalesce(i.sent_at, i.received_at) < coalesce(r.sent_at, r.received_at)))

-- name: beside
-- What stands beside the readings of these rows of the batch.
SELECT i.n, c.v0, c.v1, c.v2, c.v3, c.flags, c.who, false, c.sent_at, c.received_at, c.seq,
       c.patient_id, c.node_id, c.boot, c.id
FROM incoming_reading AS i
JOIN reading_conflict AS c USING (device_id, kind, measured_at, ordinal)
WHERE i.n = ANY(%(n)s)
ORDER BY c.id

-- name: before
-- What the readings of these rows were before.
SELECT i.n, h.before
FROM incoming_reading AS i
JOIN reading_history AS h USING (device_id, kind, measured_at, ordinal)
WHERE i.n = ANY(%(n)s) AND h.reason = 'corrected'
ORDER BY h.id

-- name: stand_beside
-- Another value under the same identity, kept beside the one that holds it, and whose it is.
INSERT INTO reading_conflict (device_id, kind, measured_at, ordinal, patient_id, v0, v1, v2, v3,
    flags, who, node_id, boot, seq, sent_at, received_at, replayed_at)
SELECT device_id, kind, measured_at, ordinal, own.patient_id, v0, v1, v2, v3,
    flags, who, node_id, boot, seq, sent_at, received_at, replayed_at
FROM unnest(%(n)s::integer[], %(patient_id)s::bigint[]) AS own (n, patient_id)
JOIN incoming_reading USING (n)
ON CONFLICT DO NOTHING

-- name: step_aside
-- The stored value gives its place to a correction that was sent before it: it contradicts that.
INSERT INTO reading_conflict (device_id, kind, measured_at, ordinal, patient_id, v0, v1, v2, v3,
    flags, who, node_id, boot, seq, sent_at, received_at, replayed_at)
SELECT r.device_id, r.kind, r.measured_at, r.ordinal, r.patient_id, r.v0, r.v1, r.v2, r.v3,
    r.flags, r.who, r.node_id, r.boot, r.seq, r.sent_at, r.received_at, r.replayed_at
FROM reading AS r
JOIN incoming_reading AS i USING (device_id, kind, measured_at, ordinal)
WHERE i.n = ANY(%(n)s)
ON CONFLICT DO NOTHING

-- name: stand_no_longer
-- What was corrected after all is history.
DELETE FROM reading_conflict WHERE id = ANY(%(id)s)

-- name: reading_said_earlier
-- The stored value had been said before, in a message that came later. Readings are changed one by
-- one, by values and not by a join: only so TimescaleDB leaves its columns alone.
UPDATE reading SET sent_at = %(at)s
WHERE device_id = %(device_id)s AND kind = %(kind)s AND measured_at = %(measured_at)s
  AND ordinal = %(ordinal)s

-- name: beside_said_earlier
-- Likewise, of what stands beside it.
UPDATE reading_conflict AS c SET sent_at = said.at
FROM unnest(%(id)s::bigint[], %(at)s::timestamptz[]) AS said (id, at)
WHERE c.id = said.id

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
WHERE i.n = %(n)s AND r.device_id = %(device_id)s AND r.kind = %(kind)s
  AND r.measured_at = %(measured_at)s AND r.ordinal = %(ordinal)s
RETURNING r.patient_id

-- name: history
-- What a reading was, or what came too late to become it.
INSERT INTO reading_history (device_id, kind, measured_at, ordinal, before, reason, actor)
SELECT i.device_id, i.kind, i.measured_at, i.ordinal, h.before::jsonb, 'corrected', i.node_id
FROM unnest(%(n)s::integer[], %(before)s::text[]) AS h (n, before)
JOIN incoming_reading AS i USING (n)
