-- name: people
-- Many people at once, of whom nobody expects anything: no reading of theirs is ever missed.
INSERT INTO patient (name, area_id, pseudonym, expect_reading_every_s, created_at)
SELECT person.name, %(area_id)s, person.pseudonym, NULL, %(now)s
FROM unnest(%(name)s::text[], %(pseudonym)s::text[]) AS person (name, pseudonym)
RETURNING pseudonym, id

-- name: nodes
-- Many nodes at once.
INSERT INTO node (id, area_id, label, created_at)
SELECT node_id, %(area_id)s, %(label)s, %(now)s FROM unnest(%(node_id)s::text[]) AS node_id

-- name: devices
-- The devices of many nodes.
INSERT INTO device (node_id, dev, type, created_at)
SELECT device.*, %(now)s
FROM unnest(%(node_id)s::text[], %(dev)s::text[], %(type)s::text[]) AS device (node_id, dev, type)

-- name: bindings
-- Whom they measure, from the beginning on.
INSERT INTO device_binding (device_id, who, patient_id, during)
SELECT device.id, bound.who, bound.patient_id, tstzrange(NULL, NULL)
FROM unnest(%(node_id)s::text[], %(dev)s::text[], %(who)s::text[], %(patient_id)s::bigint[])
    AS bound (node_id, dev, who, patient_id)
JOIN device ON device.node_id = bound.node_id AND device.dev = bound.dev

-- name: credentials
-- Their passwords; one statement, so that the broker's files follow once.
INSERT INTO node_credential (node_id, password_hash, changed_at)
SELECT credential.*, %(now)s
FROM unnest(%(node_id)s::text[], %(hash)s::text[]) AS credential (node_id, hash)
