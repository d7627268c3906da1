-- name: came
-- Rows of the batch whose identity is taken by something else, or by the same said later, with what
-- is stored under it.
SELECT i.n, r.v0, r.v1, r.v2, r.v3, r.flags, r.who, r.fix, r.sent_at, r.received_at, r.seq,
       r.patient_id, r.node_id, r.boot, r.set_aside, r.assigned_at, r.said_at
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
           OR (NOT r.fix AND (coalesce(i.sent_at, i.received_at), i.seq)
                           < (coalesce(r.sent_at, r.received_at), r.seq))
           OR (r.fix AND coalesce(i.sent_at, i.received_at) < coalesce(r.said_at, 'infinity')))
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
       OR (NOT r.fix AND (coalesce(i.sent_at, i.received_at), i.seq)
                       < (coalesce(r.sent_at, r.received_at), r.seq))
       OR (r.fix AND coalesce(i.sent_at, i.received_at) < coalesce(r.said_at, 'infinity')))

-- name: beside
-- What stands beside the readings of these rows of the batch.
SELECT i.n, c.v0, c.v1, c.v2, c.v3, c.flags, c.who, false, c.sent_at, c.received_at, c.seq,
       c.patient_id, c.node_id, c.boot, NULL, NULL, NULL, c.id
FROM incoming_reading AS i
JOIN reading_conflict AS c USING (device_id, kind, measured_at, ordinal)
WHERE i.n = ANY(%(n)s)
ORDER BY c.id

-- name: before
-- What the readings of these rows were before, and where people moved them.
SELECT i.n, h.before, d.id, d.from_patient_id, d.to_patient_id, d.to_aside, d.at
FROM incoming_reading AS i
JOIN reading_history AS h USING (device_id, kind, measured_at, ordinal)
LEFT JOIN reassignment AS d ON d.id = h.reassignment_id
WHERE i.n = ANY(%(n)s) AND (h.reason = 'corrected' OR d.id IS NOT NULL)
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
-- The stored value gives its place to what was said before it: it contradicts that.
INSERT INTO reading_conflict (device_id, kind, measured_at, ordinal, patient_id, v0, v1, v2, v3,
    flags, who, node_id, boot, seq, sent_at, received_at, replayed_at)
SELECT r.device_id, r.kind, r.measured_at, r.ordinal, r.patient_id, r.v0, r.v1, r.v2, r.v3,
    r.flags, r.who, r.node_id, r.boot, r.seq, r.sent_at, r.received_at, r.replayed_at
FROM reading AS r
JOIN incoming_reading AS i USING (device_id, kind, measured_at, ordinal)
WHERE i.n = ANY(%(n)s)
ON CONFLICT DO NOTHING

-- name: stand_no_longer
-- What was corrected after all is history, or it was said first and holds.
DELETE FROM reading_conflict WHERE id = ANY(%(id)s)

-- name: said_earlier
-- What stands beside a reading had been said before, in a message that came later.
UPDATE reading_conflict AS c SET node_id = i.node_id, boot = i.boot, seq = i.seq,
    sent_at = i.sent_at, received_at = i.received_at, replayed_at = i.replayed_at
FROM unnest(%(id)s::bigint[], %(n)s::integer[]) AS said (id, n)
JOIN incoming_reading AS i USING (n)
WHERE c.id = said.id

-- name: said_plainly
-- The value of the correction that holds was also said without being one.
UPDATE reading SET said_at = %(at)s
WHERE device_id = %(device_id)s AND kind = %(kind)s AND measured_at = %(measured_at)s
  AND ordinal = %(ordinal)s

-- name: hold
-- A row of the batch takes the place of the stored one.
UPDATE reading AS r SET v0 = i.v0, v1 = i.v1, v2 = i.v2, v3 = i.v3, flags = i.flags,
    clock = i.clock::clock_quality, claimed_at = i.claimed_at, session_id = i.session_id,
    context = i.context::jsonb, original = i.original::jsonb, fix = i.fix, node_id = i.node_id,
    boot = i.boot, seq = i.seq, sent_at = i.sent_at, received_at = i.received_at,
    replayed_at = i.replayed_at, who = i.who, patient_id = %(patient_id)s,
    set_aside = %(set_aside)s, assigned_at = %(assigned_at)s, said_at = %(said_at)s,
    stored_at = now()
FROM incoming_reading AS i
WHERE i.n = %(n)s AND r.device_id = %(device_id)s AND r.kind = %(kind)s
  AND r.measured_at = %(measured_at)s AND r.ordinal = %(ordinal)s

-- name: history
-- What a reading was, or what came too late to become it.
INSERT INTO reading_history (device_id, kind, measured_at, ordinal, before, reason, actor)
SELECT i.device_id, i.kind, i.measured_at, i.ordinal, h.before::jsonb, 'corrected', i.node_id
FROM unnest(%(n)s::integer[], %(before)s::text[]) AS h (n, before)
JOIN incoming_reading AS i USING (n)
