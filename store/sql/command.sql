-- name: request
-- One wish for a device; asking again with the same id changes nothing.
INSERT INTO command (id, node_id, op, args, episode_id, created_by, created_at, expires_at)
VALUES (%(command_id)s, %(node_id)s, %(op)s, %(args)s, %(episode_id)s, %(created_by)s,
        %(now)s, %(expires_at)s)
ON CONFLICT (id) DO NOTHING
