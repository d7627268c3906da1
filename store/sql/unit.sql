-- name: add
-- A device as it left the factory.
INSERT INTO unit (serial, maker, model, factory_secret, code_mac, code_hash, added_at)
VALUES (%(serial)s, %(maker)s, %(model)s, %(factory_secret)s, %(code_mac)s, %(code_hash)s, %(now)s)

-- name: find
-- One unit with what proves it.
SELECT serial, maker, model, factory_secret, code_mac, added_at, retired_at FROM unit
WHERE serial = %(serial)s

-- name: every
-- All units with what became of them; without what proves them.
SELECT unit.serial, unit.maker, unit.model, unit.added_at, unit.retired_at,
       claim.id AS claim_id, claim.node_id, claim.opened_at, claim.issued_at, claim.completed_at
FROM unit LEFT JOIN claim ON claim.serial = unit.serial AND claim.ended_at IS NULL
ORDER BY unit.added_at, unit.serial

-- name: may_ask
-- Units that may ask to become a node, with the broker's hash of their claim code: those that are
-- bound and not seen ready as a node, and of those nobody has bound the newest.
(SELECT unit.serial, unit.code_hash
 FROM unit JOIN claim ON claim.serial = unit.serial AND claim.ended_at IS NULL
 WHERE unit.retired_at IS NULL AND claim.completed_at IS NULL)
UNION ALL
(SELECT unit.serial, unit.code_hash FROM unit
 WHERE unit.retired_at IS NULL
   AND NOT EXISTS (SELECT FROM claim WHERE claim.serial = unit.serial AND claim.ended_at IS NULL)
 ORDER BY unit.added_at DESC, unit.serial LIMIT %(unbound)s)
ORDER BY serial

-- name: retire
-- The unit is no more: its claim code opens nothing.
UPDATE unit SET retired_at = %(now)s WHERE serial = %(serial)s AND retired_at IS NULL
