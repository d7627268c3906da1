-- name: latest
-- The newest reading of a vital sign of each of these patients; whoever has none is not there.
SELECT newest.*
FROM unnest(%(patient_ids)s::bigint[]) AS wanted (patient_id)
CROSS JOIN LATERAL (
    SELECT reading.patient_id, device_id, measured_at, v0, v1, v2, v3, flags, clock::text AS clock
    FROM reading
    WHERE reading.patient_id = wanted.patient_id AND kind = %(kind)s
      AND measured_at >= %(since)s
    ORDER BY measured_at DESC LIMIT 1) AS newest
