-- name: of_patient
-- A patient's recordings, newest first; each told by its first chunk. A device that changed hands
-- in the middle of one made two of it.
SELECT first.device_id, first.recording, first.kind, first.patient_id, first.node_id, device.dev,
       device.model, first.started_at, whole.ended_at, first.hz, first.channels, first.unit,
       first.clock::text AS clock, whole.chunks, whole.last_chunk, whole.samples, whole.closed,
       whole.received_at
FROM (SELECT device_id, recording, min(chunk) AS first_chunk, count(*) AS chunks,
             max(chunk) AS last_chunk, sum(samples) AS samples, bool_or(last) AS closed,
             max(started_at + make_interval(secs => samples / hz)) AS ended_at,
             max(received_at) AS received_at
      FROM wave_chunk
      WHERE patient_id = %(patient_id)s AND started_at >= %(since)s AND started_at < %(until)s
      GROUP BY device_id, recording) AS whole
JOIN wave_chunk AS first ON first.device_id = whole.device_id
    AND first.recording = whole.recording AND first.chunk = whole.first_chunk
LEFT JOIN device ON device.id = first.device_id
ORDER BY first.started_at DESC, first.device_id, first.recording
LIMIT %(limit)s

-- name: waiting
-- What was recorded of nobody yet, newest first, on nodes in the scope of who asks.
SELECT first.device_id, first.recording, first.kind, first.patient_id, first.node_id, device.dev,
       device.model, first.started_at, whole.ended_at, first.hz, first.channels, first.unit,
       first.clock::text AS clock, whole.chunks, whole.last_chunk, whole.samples, whole.closed,
       whole.received_at, node.label AS node_label, area.time_zone
FROM (SELECT device_id, recording, min(chunk) AS first_chunk, count(*) AS chunks,
             max(chunk) AS last_chunk, sum(samples) AS samples, bool_or(last) AS closed,
             max(started_at + make_interval(secs => samples / hz)) AS ended_at,
             max(received_at) AS received_at
      FROM wave_chunk
      WHERE patient_id IS NULL AND node_id IN (SELECT * FROM visible_nodes(%(staff_id)s))
      GROUP BY device_id, recording) AS whole
JOIN wave_chunk AS first ON first.device_id = whole.device_id
    AND first.recording = whole.recording AND first.chunk = whole.first_chunk
JOIN node ON node.id = first.node_id JOIN area ON area.id = node.area_id
LEFT JOIN device ON device.id = first.device_id
ORDER BY first.started_at DESC, first.device_id, first.recording
LIMIT %(limit)s

-- name: find_visible
-- One recording, of the patient in scope it shows most of; of nobody yet: if the node is in scope.
SELECT first.device_id, first.recording, first.kind, first.patient_id, first.node_id, device.dev,
       device.model, first.started_at, whole.ended_at, first.hz, first.channels, first.unit,
       first.clock::text AS clock, whole.chunks, whole.last_chunk, whole.samples, whole.closed,
       whole.received_at
FROM (SELECT patient_id, min(chunk) AS first_chunk, count(*) AS chunks,
             max(chunk) AS last_chunk, sum(samples) AS samples, bool_or(last) AS closed,
             max(started_at + make_interval(secs => samples / hz)) AS ended_at,
             max(received_at) AS received_at
      FROM wave_chunk
      WHERE device_id = %(device_id)s AND recording = %(recording)s
        AND (patient_id IN (SELECT * FROM visible_patients(%(staff_id)s))
             OR (patient_id IS NULL AND node_id IN (SELECT * FROM visible_nodes(%(staff_id)s))))
      GROUP BY patient_id) AS whole
JOIN wave_chunk AS first ON first.device_id = %(device_id)s
    AND first.recording = %(recording)s AND first.chunk = whole.first_chunk
LEFT JOIN device ON device.id = first.device_id
ORDER BY whole.chunks DESC, first.chunk
LIMIT 1

-- name: chunks
-- The chunks of a recording from a number on.
SELECT chunk, started_at, clock::text AS clock, claimed_at, hz, samples, channels, encoding, scale,
       zero, unit, last, data
FROM wave_chunk
WHERE device_id = %(device_id)s AND recording = %(recording)s AND chunk >= %(since)s
  AND patient_id IS NOT DISTINCT FROM %(patient_id)s
ORDER BY chunk LIMIT %(limit)s
