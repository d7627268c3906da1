-- name: add
-- A certificate our authority gave to a node.
INSERT INTO certificate (serial_number, node_id, not_before, not_after, issued_at)
VALUES (%(serial_number)s, %(node_id)s, %(not_before)s, %(not_after)s, %(now)s)

-- name: of_node
-- The certificates of a node, the newest first.
SELECT serial_number, node_id, not_before, not_after, issued_at, ends_at, revoked_at
FROM certificate WHERE node_id = %(node_id)s ORDER BY issued_at DESC, serial_number

-- name: revoke
-- The certificates of a node open nothing any more, but the one named, if any.
UPDATE certificate SET revoked_at = %(now)s
WHERE node_id = %(node_id)s AND revoked_at IS NULL
  AND serial_number IS DISTINCT FROM %(but)s

-- name: replace
-- The other certificates of a node end then.
UPDATE certificate SET ends_at = least(coalesce(ends_at, %(ends_at)s), %(ends_at)s)
WHERE node_id = %(node_id)s AND revoked_at IS NULL AND serial_number <> %(but)s

-- name: over
-- Certificates whose overlap with the next one is over.
SELECT serial_number FROM certificate WHERE revoked_at IS NULL AND ends_at <= %(now)s

-- name: revoke_these
-- These open nothing any more.
UPDATE certificate SET revoked_at = %(now)s WHERE serial_number = ANY(%(serial_number)s)

-- name: revoked
-- What belongs on the list of revoked certificates: one that expired opens nothing anyway.
SELECT serial_number, node_id, revoked_at,
       NOT EXISTS (SELECT FROM certificate AS other WHERE other.node_id = certificate.node_id
                   AND other.revoked_at IS NULL) AS has_no_other
FROM certificate
WHERE revoked_at IS NOT NULL AND not_after > %(since)s ORDER BY serial_number
