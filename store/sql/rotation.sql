-- name: ask
-- New credentials for a node. One that is under way already goes on.
INSERT INTO rotation (node_id, asked_at, asked_by, at_once)
VALUES (%(node_id)s, %(now)s, %(asked_by)s, %(at_once)s)
ON CONFLICT (node_id) WHERE ended_at IS NULL
    DO UPDATE SET at_once = rotation.at_once OR excluded.at_once
RETURNING id

-- name: under_way
-- Rotations that have a next step, with the answer to the last one.
SELECT rotation.id, rotation.node_id, rotation.at_once, rotation.step, rotation.asked_at,
       rotation.command_id, rotation.password_hash, rotation.certificate,
       command.state AS answer, command.out
FROM rotation LEFT JOIN command ON command.id = rotation.command_id
WHERE rotation.ended_at IS NULL
ORDER BY rotation.id LIMIT %(limit)s

-- name: move
-- The next step, and the command that it waits for.
UPDATE rotation SET step = %(step)s, command_id = %(command_id)s,
    password_hash = %(password_hash)s, certificate = %(certificate)s
WHERE id = %(rotation_id)s

-- name: end
-- Done, or given up.
UPDATE rotation SET step = %(step)s, why = %(why)s, ended_at = %(now)s, password_hash = NULL
WHERE id = %(rotation_id)s AND ended_at IS NULL

-- name: wipe
-- A command that carried a password has been answered or is over: the password goes.
UPDATE command SET args = '{}' WHERE id = %(command_id)s

-- name: due
-- Nodes whose newest certificate has lived two thirds of its life, and that were not asked lately.
SELECT newest.node_id
FROM (SELECT DISTINCT ON (node_id) node_id, not_before, not_after FROM certificate
      WHERE revoked_at IS NULL
        -- One the node did not confirm may not be what it uses.
        AND NOT EXISTS (SELECT FROM rotation WHERE rotation.step = 'failed'
                        AND rotation.certificate = certificate.serial_number)
      ORDER BY node_id, issued_at DESC) AS newest
JOIN node ON node.id = newest.node_id AND node.revoked_at IS NULL
WHERE newest.not_before + (newest.not_after - newest.not_before) * 2 / 3 <= %(now)s
  AND NOT EXISTS (SELECT FROM rotation WHERE rotation.node_id = newest.node_id
                  AND (rotation.ended_at IS NULL OR rotation.asked_at > %(not_since)s))
ORDER BY newest.not_after LIMIT %(limit)s
