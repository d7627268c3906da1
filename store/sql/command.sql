-- name: request
-- One wish for a device; asking again with the same id changes nothing.
INSERT INTO command (id, node_id, op, args, episode_id, created_by, created_at, expires_at)
VALUES (%(command_id)s, %(node_id)s, %(op)s, %(args)s, %(episode_id)s, %(created_by)s,
        %(now)s, %(expires_at)s)
ON CONFLICT (id) DO NOTHING

-- name: find
-- One command of a node.
SELECT id, node_id, op, args, episode_id, created_by, created_at, expires_at, published_at, state,
       out, message, session_id, answered_at
FROM command WHERE id = %(command_id)s AND node_id = %(node_id)s

-- name: of_node
-- The latest commands of a node.
SELECT id, node_id, op, args, episode_id, created_by, created_at, expires_at, published_at, state,
       out, message, session_id, answered_at
FROM command WHERE node_id = %(node_id)s ORDER BY created_at DESC, id LIMIT %(limit)s

-- name: waiting
-- Commands that still have time to reach their device, the oldest first.
SELECT id, node_id, op, args, expires_at FROM command
WHERE state = 'queued' AND expires_at > %(now)s AND node_id <> ALL(%(resting)s)
ORDER BY created_at, id LIMIT %(limit)s

-- name: sent
-- The broker has it. An answer that was faster than this note stays.
UPDATE command SET published_at = %(now)s,
    state = CASE WHEN state = 'queued' THEN 'sent' ELSE state END
WHERE id = %(command_id)s AND published_at IS NULL

-- name: lock
-- One command of a node, held until the transaction ends.
SELECT state, answered_at FROM command
WHERE id = %(command_id)s AND node_id = %(node_id)s FOR UPDATE

-- name: answered
-- What the device said last.
UPDATE command SET state = %(state)s, out = %(out)s, message = %(message)s, answered_at = %(at)s,
    session_id = coalesce(%(session_id)s, session_id)
WHERE id = %(command_id)s

-- name: expire
-- Nobody answered in time. Without `answered_at` it is only our guess: the device may correct it.
UPDATE command SET state = 'expired', answered_at = NULL
WHERE state IN ('queued', 'sent', 'accepted')
  AND expires_at <= CASE state WHEN 'queued' THEN %(now)s::timestamptz
                               WHEN 'sent' THEN %(sent_before)s::timestamptz
                               ELSE %(accepted_before)s::timestamptz END
RETURNING id, node_id, session_id
