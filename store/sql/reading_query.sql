-- name: readings
-- A patient's readings, newest first. Ties stay together, so that a page never splits them.
SELECT reading.device_id, reading.kind, reading.measured_at, reading.ordinal, reading.patient_id,
       reading.v0, reading.v1, reading.v2, reading.v3, reading.flags,
       reading.clock::text AS clock, reading.claimed_at, reading.who, reading.session_id,
       reading.context, reading.original, reading.node_id, device.dev, device.model,
       reading.boot, reading.seq, reading.sent_at, reading.received_at, reading.stored_at,
       EXISTS (SELECT FROM reading_history AS before
               WHERE before.device_id = reading.device_id AND before.kind = reading.kind
                 AND before.measured_at = reading.measured_at
                 AND before.ordinal = reading.ordinal) AS corrected
FROM reading LEFT JOIN device ON device.id = reading.device_id
WHERE reading.patient_id = %(patient_id)s
  AND (%(kind)s::text IS NULL OR reading.kind = %(kind)s)
  AND reading.measured_at >= %(since)s AND reading.measured_at < %(until)s
ORDER BY reading.measured_at DESC
FETCH FIRST %(limit)s ROWS WITH TIES

-- name: conflicts
-- What was also said about readings of these devices between two instants.
SELECT id, device_id, kind, measured_at, ordinal, v0, v1, v2, v3, flags, node_id, boot, seq,
       received_at
FROM reading_conflict
WHERE device_id = ANY(%(device_ids)s)
  AND measured_at BETWEEN %(first)s AND %(last)s
ORDER BY id

-- name: blocks
-- A patient's dense series, newest first.
SELECT block.device_id, block.kind, block.start_at, block.part, block.step_ms, block.samples,
       block.quality, block.flags, block.clock::text AS clock, block.claimed_at, block.who, block.context,
       block.node_id, device.dev, device.model, block.received_at, block.stored_at
FROM block LEFT JOIN device ON device.id = block.device_id
WHERE block.patient_id = %(patient_id)s
  AND (%(kind)s::text IS NULL OR block.kind = %(kind)s)
  AND block.start_at >= %(since)s AND block.start_at < %(until)s
ORDER BY block.start_at DESC
FETCH FIRST %(limit)s ROWS WITH TIES
