-- name: add
-- A device behind a node; '' is the node itself.
INSERT INTO device (node_id, dev, type, created_at)
VALUES (%(node_id)s, %(dev)s, %(type)s, %(now)s)
RETURNING id

-- name: find
-- One device of a node.
SELECT id, node_id, dev, type, maker, model, serial, udi FROM device
WHERE node_id = %(node_id)s AND dev = %(dev)s

-- name: of_node
-- The devices of a node, itself first.
SELECT id, node_id, dev, type, maker, model, serial, udi FROM device
WHERE node_id = %(node_id)s ORDER BY dev

-- name: end_binding
-- Whoever the slot measured then is measured no longer; what was measured before stays theirs.
UPDATE device_binding SET during = tstzrange(lower(during), %(at)s)
WHERE device_id = %(device_id)s AND who = %(who)s AND during @> %(at)s::timestamptz
  AND lower(during) IS DISTINCT FROM %(at)s::timestamptz

-- name: bind
-- From then on the slot measures this patient.
INSERT INTO device_binding (device_id, who, patient_id, during)
VALUES (%(device_id)s, %(who)s, %(patient_id)s, tstzrange(%(since)s, NULL))
RETURNING id

-- name: bindings_of_node
-- Whom the devices of a node measure and measured, of the patients in scope (all for NULL).
SELECT device_binding.id, device.dev, device_binding.who, device_binding.patient_id,
       lower(device_binding.during) AS since, upper(device_binding.during) AS until
FROM device_binding JOIN device ON device.id = device_binding.device_id
WHERE device.node_id = %(node_id)s
  AND (%(staff_id)s::bigint IS NULL
       OR device_binding.patient_id IN (SELECT * FROM visible_patients(%(staff_id)s)))
ORDER BY device.dev, device_binding.who, lower(device_binding.during) NULLS FIRST

-- name: nodes_of_patient
-- The nodes that serve a patient now.
SELECT DISTINCT device.node_id, nullif(device_binding.who, '') AS who
FROM device_binding JOIN device ON device.id = device_binding.device_id
JOIN node ON node.id = device.node_id
WHERE device_binding.patient_id = %(patient_id)s AND node.revoked_at IS NULL
  AND device_binding.during @> %(now)s::timestamptz
ORDER BY 1, 2
