-- name: page
-- What nobody owns yet, newest first, of nodes in the scope of who asks, after a place in the list.
SELECT reading.device_id, reading.kind, reading.measured_at, reading.ordinal, reading.patient_id,
       reading.v0, reading.v1, reading.v2, reading.v3, reading.flags,
       reading.clock::text AS clock, reading.claimed_at, reading.who, reading.session_id,
       reading.context, reading.original, reading.node_id, device.dev, device.model,
       reading.boot, reading.seq, reading.sent_at, reading.received_at, reading.stored_at,
       EXISTS (SELECT FROM reading_history AS before
               WHERE before.device_id = reading.device_id AND before.kind = reading.kind
                 AND before.measured_at = reading.measured_at AND before.ordinal = reading.ordinal
                 AND before.reason = 'corrected') AS corrected,
       node.label AS node_label, area.time_zone, reading.assigned_at
FROM reading JOIN node ON node.id = reading.node_id JOIN area ON area.id = node.area_id
LEFT JOIN device ON device.id = reading.device_id
WHERE reading.patient_id IS NULL AND reading.set_aside IS NULL
  AND reading.node_id IN (SELECT * FROM visible_nodes(%(staff_id)s))
  AND (%(node_id)s::text IS NULL OR reading.node_id = %(node_id)s)
  AND (%(dev)s::text IS NULL OR device.dev = %(dev)s)
  AND (%(slot)s::text IS NULL OR coalesce(reading.who, '') = %(slot)s)
  AND reading.measured_at <= %(before_at)s
  AND (reading.measured_at, reading.device_id, reading.kind, reading.ordinal)
    < (%(before_at)s, %(before_device)s, %(before_kind)s, %(before_ordinal)s)
ORDER BY reading.measured_at DESC, reading.device_id DESC, reading.kind DESC, reading.ordinal DESC
LIMIT %(limit)s

-- name: bindings
-- Whom these devices, and their nodes as a whole, measured and measure.
SELECT device.id AS device_id, bound.dev = device.dev AS own, device_binding.who,
       device_binding.patient_id, lower(device_binding.during) AS since,
       upper(device_binding.during) AS until
FROM device
JOIN device AS bound ON bound.node_id = device.node_id AND bound.dev IN (device.dev, '')
JOIN device_binding ON device_binding.device_id = bound.id
WHERE device.id = ANY(%(device_ids)s)
ORDER BY device.id, device_binding.id

-- name: people
-- The names of those behind these devices, bound or living in the node's home, and of those who
-- have one of these pseudonyms; as far as who asks may see them.
WITH near AS (
    SELECT device.id AS device_id, device_binding.patient_id
    FROM device JOIN device AS bound ON bound.node_id = device.node_id
    JOIN device_binding ON device_binding.device_id = bound.id
    WHERE device.id = ANY(%(device_ids)s)
    UNION
    SELECT device.id, patient.id
    FROM device JOIN node ON node.id = device.node_id
    JOIN patient ON patient.household_id = node.household_id AND patient.archived_at IS NULL
    WHERE device.id = ANY(%(device_ids)s)
    UNION
    SELECT NULL, patient.id FROM patient WHERE patient.pseudonym = ANY(%(pseudonyms)s)
)
SELECT near.device_id, patient.id AS patient_id, patient.name, patient.pseudonym
FROM near JOIN patient ON patient.id = near.patient_id
WHERE patient.id IN (SELECT * FROM visible_patients(%(staff_id)s))
ORDER BY near.device_id, patient.id

-- name: pseudonyms
-- Which of these pseudonyms belong to somebody, whoever asks.
SELECT pseudonym FROM patient WHERE pseudonym = ANY(%(pseudonyms)s)

-- name: usual
-- What is usual for these people: the medians of the newest thirty readings of a kind that count.
SELECT wanted.patient_id, wanted.kind, count(*) AS times,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY r.v0) AS v0,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY r.v1) AS v1,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY r.v2) AS v2,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY r.v3) AS v3
FROM unnest(%(patient_ids)s::bigint[], %(kinds)s::text[]) AS wanted (patient_id, kind)
CROSS JOIN LATERAL (
    SELECT v0, v1, v2, v3 FROM reading
    WHERE reading.patient_id = wanted.patient_id AND reading.kind = wanted.kind
      AND reading.measured_at >= %(since)s AND reading.measured_at < %(until)s
      AND reading.flags & %(not_counted)s = 0 AND reading.clock <> 'untrusted'
    ORDER BY reading.measured_at DESC LIMIT 30) AS r
GROUP BY wanted.patient_id, wanted.kind

-- name: heaps
-- What waits, by device and slot, with whom that slot measures now (NULL: nobody in sight).
WITH waiting AS (
    SELECT device_id, coalesce(who, '') AS slot, measured_at AS at, 1 AS readings, 0 AS blocks
    FROM reading
    WHERE patient_id IS NULL AND set_aside IS NULL
      AND node_id IN (SELECT * FROM visible_nodes(%(staff_id)s))
    UNION ALL
    SELECT device_id, coalesce(who, ''), start_at, 0, 1
    FROM block
    WHERE patient_id IS NULL AND set_aside IS NULL
      AND node_id IN (SELECT * FROM visible_nodes(%(staff_id)s))
)
SELECT device.id AS device_id, device.node_id, node.label AS node_label, area.time_zone,
       device.dev, device.model, waiting.slot, sum(readings) AS readings, sum(blocks) AS blocks,
       min(waiting.at) AS first_at, max(waiting.at) AS last_at, bound.patient_id,
       patient.name AS patient_name
FROM waiting JOIN device ON device.id = waiting.device_id
JOIN node ON node.id = device.node_id JOIN area ON area.id = node.area_id
LEFT JOIN device_binding AS bound ON bound.device_id = device.id AND bound.who = waiting.slot
    AND bound.during @> %(now)s::timestamptz
    AND bound.patient_id IN (SELECT * FROM visible_patients(%(staff_id)s))
LEFT JOIN patient ON patient.id = bound.patient_id
WHERE (%(node_id)s::text IS NULL OR device.node_id = %(node_id)s)
GROUP BY device.id, node.label, area.time_zone, waiting.slot, bound.patient_id, patient.name
ORDER BY max(waiting.at) DESC, device.id, waiting.slot
LIMIT %(limit)s
