-- name: span_readings
-- The readings of a device's time span that one person owns, or nobody; a session, if one is named.
SELECT device_id, kind, measured_at, ordinal FROM reading
WHERE device_id = %(device_id)s AND measured_at >= %(since)s AND measured_at < %(until)s
  AND patient_id IS NOT DISTINCT FROM %(from_patient_id)s
  AND set_aside IS NOT DISTINCT FROM %(from_aside)s
  AND (%(slots)s::text[] IS NULL OR coalesce(who, '') = ANY(%(slots)s))
  AND (%(session_id)s::text IS NULL OR session_id = %(session_id)s)
ORDER BY device_id, kind, measured_at, ordinal LIMIT %(limit)s

-- name: span_blocks
-- Its dense series.
SELECT device_id, kind, start_at, part FROM block
WHERE device_id = %(device_id)s AND start_at >= %(since)s AND start_at < %(until)s
  AND patient_id IS NOT DISTINCT FROM %(from_patient_id)s
  AND set_aside IS NOT DISTINCT FROM %(from_aside)s
  AND (%(slots)s::text[] IS NULL OR coalesce(who, '') = ANY(%(slots)s))
  AND %(session_id)s::text IS NULL
ORDER BY device_id, kind, start_at, part LIMIT %(limit)s

-- name: span_chunks
-- Its recordings; a chunk does not say under which slot it was taken.
SELECT device_id, recording, chunk FROM wave_chunk
WHERE device_id = %(device_id)s AND started_at >= %(since)s AND started_at < %(until)s
  AND patient_id IS NOT DISTINCT FROM %(from_patient_id)s
  AND %(slots)s::text[] IS NULL AND %(session_id)s::text IS NULL AND %(from_aside)s::text IS NULL
ORDER BY device_id, recording, chunk LIMIT %(limit)s

-- name: waiting_chunks
-- What waits of one recording.
SELECT device_id, recording, chunk FROM wave_chunk
WHERE device_id = %(device_id)s AND recording = %(recording)s AND patient_id IS NULL
ORDER BY chunk LIMIT %(limit)s

-- name: named
-- Everything that waits under one word of a device or of many: a pseudonym nobody knew.
SELECT device_id, kind, measured_at, ordinal FROM reading
WHERE patient_id IS NULL AND set_aside IS NULL AND who = %(who)s
ORDER BY device_id, kind, measured_at, ordinal LIMIT %(limit)s

-- name: named_blocks
-- The dense series under it.
SELECT device_id, kind, start_at, part FROM block
WHERE patient_id IS NULL AND set_aside IS NULL AND who = %(who)s
ORDER BY device_id, kind, start_at, part LIMIT %(limit)s

-- name: find
-- A deed, with whether it was undone.
SELECT r.id, r.at, r.actor, staff.display_name AS by, r.what, r.from_patient_id,
       r.to_patient_id, r.from_aside, r.to_aside, r.note, r.readings, r.blocks, r.chunks,
       u.id AS undone_by
FROM reassignment AS r LEFT JOIN reassignment AS u ON u.undoes = r.id
LEFT JOIN staff ON r.actor = 'staff:' || staff.id
WHERE r.id = %(id)s

-- name: of_patient
-- What was moved to and from a patient, newest first; a patient out of scope stays unnamed.
WITH concerned AS (
    SELECT * FROM reassignment WHERE from_patient_id = %(patient_id)s
    UNION
    SELECT * FROM reassignment WHERE to_patient_id = %(patient_id)s
    ORDER BY id DESC LIMIT %(limit)s
)
SELECT r.id, r.at, r.actor, staff.display_name AS by, r.what,
       CASE WHEN r.from_patient_id IN (SELECT * FROM visible_patients(%(staff_id)s))
            THEN r.from_patient_id END AS from_patient_id,
       CASE WHEN r.to_patient_id IN (SELECT * FROM visible_patients(%(staff_id)s))
            THEN r.to_patient_id END AS to_patient_id,
       r.from_aside, r.to_aside, r.note, r.readings, r.blocks, r.chunks, u.id AS undone_by
FROM concerned AS r LEFT JOIN reassignment AS u ON u.undoes = r.id
LEFT JOIN staff ON r.actor = 'staff:' || staff.id
ORDER BY r.id DESC

-- name: readings_of
-- What a deed moved.
SELECT device_id, kind, measured_at, ordinal FROM reading_history
WHERE reassignment_id = %(id)s ORDER BY device_id, kind, measured_at, ordinal

-- name: blocks_of
-- Its dense series.
SELECT device_id, kind, start_at, part FROM reassigned_block
WHERE reassignment_id = %(id)s ORDER BY device_id, kind, start_at, part

-- name: chunks_of
-- Its recordings.
SELECT device_id, recording, chunk FROM reassigned_chunk
WHERE reassignment_id = %(id)s ORDER BY device_id, recording, chunk

-- name: belongs
-- Whether a reading is a patient's.
SELECT 1 FROM reading
WHERE device_id = %(device_id)s AND kind = %(kind)s AND measured_at = %(measured_at)s
  AND ordinal = %(ordinal)s AND patient_id = %(patient_id)s
