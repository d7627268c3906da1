-- name: stored
-- What holds a place, of a patient.
SELECT v0, v1, v2, v3, flags, who, fix, sent_at, received_at, seq, patient_id, node_id, boot,
       said_at, clock::text AS clock, session_id,
       coalesce(context #>> '{session,done}', '0') NOT IN ('0', 'false') AS session_done
FROM reading
WHERE device_id = %(device_id)s AND kind = %(kind)s AND measured_at = %(measured_at)s
  AND ordinal = %(ordinal)s AND patient_id = %(patient_id)s

-- name: beside
-- What claims the place as well.
SELECT id, v0, v1, v2, v3, flags, who, false AS fix, sent_at, received_at, seq, patient_id, node_id,
       boot
FROM reading_conflict
WHERE device_id = %(device_id)s AND kind = %(kind)s AND measured_at = %(measured_at)s
  AND ordinal = %(ordinal)s
ORDER BY id

-- name: before
-- What it was already.
SELECT (before #>> '{values,0}')::float8 AS v0, (before #>> '{values,1}')::float8 AS v1,
       (before #>> '{values,2}')::float8 AS v2, (before #>> '{values,3}')::float8 AS v3,
       (before ->> 'flags')::integer AS flags, before ->> 'who' AS who,
       (before ->> 'fix')::boolean AS fix, (before ->> 'sent_at')::timestamptz AS sent_at,
       (before ->> 'received_at')::timestamptz AS received_at, (before ->> 'seq')::bigint AS seq
FROM reading_history
WHERE device_id = %(device_id)s AND kind = %(kind)s AND measured_at = %(measured_at)s
  AND ordinal = %(ordinal)s AND reason = 'corrected'
ORDER BY id

-- name: choose
-- A person's word holds as a correction of that instant; only if what they saw still stands.
UPDATE reading SET v0 = %(v0)s, v1 = %(v1)s, v2 = %(v2)s, v3 = %(v3)s, flags = %(flags)s,
    fix = true, sent_at = %(sent_at)s, said_at = %(said_at)s
WHERE device_id = %(device_id)s AND kind = %(kind)s AND measured_at = %(measured_at)s
  AND ordinal = %(ordinal)s AND patient_id = %(patient_id)s
  AND (v0, v1, v2, v3, flags) IS NOT DISTINCT FROM
      (%(was_v0)s::float8, %(was_v1)s::float8, %(was_v2)s::float8, %(was_v3)s::float8,
       %(was_flags)s::integer)

-- name: past
-- What it was, and what it was not.
INSERT INTO reading_history (device_id, kind, measured_at, ordinal, before, reason, actor, at)
SELECT %(device_id)s, %(kind)s, %(measured_at)s, %(ordinal)s, h.before::jsonb, 'corrected',
       %(actor)s, %(at)s
FROM unnest(%(before)s::text[]) AS h (before)

-- name: stand_no_longer
-- A person has decided between them; both are in the history.
DELETE FROM reading_conflict WHERE id = ANY(%(ids)s)

-- name: history
-- What a reading was, oldest first, with the names of people.
SELECT h.at, h.reason, h.actor, staff.display_name AS by, h.before, h.reassignment_id,
       r.to_patient_id, r.to_aside, r.note
FROM reading_history AS h
LEFT JOIN reassignment AS r ON r.id = h.reassignment_id
LEFT JOIN staff ON h.actor = 'staff:' || staff.id
WHERE h.device_id = %(device_id)s AND h.kind = %(kind)s AND h.measured_at = %(measured_at)s
  AND h.ordinal = %(ordinal)s
ORDER BY h.id
