-- name: nodes
-- Nodes with their devices; a node without a device has one row with nulls.
SELECT node.id, node.revoked_at IS NOT NULL, node.maker, node.model, node.firmware,
       node_config.dev_until, device.dev, device.id, device.maker, device.model
FROM node LEFT JOIN node_config ON node_config.node_id = node.id
LEFT JOIN device ON device.node_id = node.id
WHERE node.id = ANY(%(node_id)s)

-- name: bindings
-- Whom the devices of these nodes measure, over time.
SELECT device_id, who, patient_id, lower(during), upper(during)
FROM device_binding JOIN device ON device.id = device_id
WHERE device.node_id = ANY(%(node_id)s)

-- name: pseudonyms
-- Patients by what the hub printed for them.
SELECT pseudonym, id FROM patient WHERE pseudonym = ANY(%(pseudonym)s)

-- name: register
-- Devices a node declared in its birth, or the node itself ('' measures too); sorted, so that
-- two writers cannot deadlock. What a person or an earlier birth said is kept where this is silent.
INSERT INTO device (node_id, dev, type, maker, model, serial, udi, link)
SELECT declared.* FROM unnest(%(node_id)s::text[], %(dev)s::text[], %(type)s::text[],
    %(maker)s::text[], %(model)s::text[], %(serial)s::text[], %(udi)s::text[],
    %(link)s::text[])
    AS declared (node_id, dev, type, maker, model, serial, udi, link)
JOIN node ON node.id = declared.node_id
ORDER BY declared.node_id, declared.dev
ON CONFLICT (node_id, dev) DO UPDATE SET
    type = CASE WHEN excluded.type = 'other' THEN device.type ELSE excluded.type END,
    maker = coalesce(excluded.maker, device.maker), model = coalesce(excluded.model, device.model),
    serial = coalesce(excluded.serial, device.serial),
    udi = coalesce(excluded.udi, device.udi), link = coalesce(excluded.link, device.link)

-- name: birth
-- How a node described itself, unless a later description is known.
UPDATE node SET maker = %(maker)s, model = %(model)s, hardware = %(hardware)s,
    firmware = %(firmware)s, birth = %(body)s::jsonb, birth_at = %(at)s
WHERE id = %(node_id)s AND (birth_at IS NULL OR birth_at <= %(at)s)
