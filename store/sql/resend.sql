-- name: park
-- Their node is not there, or has left: they wait until it is back.
UPDATE gap SET ask_at = NULL
WHERE closed_at IS NULL AND ask_at <= %(now)s
  AND NOT EXISTS (SELECT FROM node JOIN node_state ON node_state.node_id = node.id
                  WHERE node.id = gap.node_id AND node.revoked_at IS NULL
                    AND node_state.state = 'ready')

-- name: back
-- A node is back: what it was not asked for since then is asked once it has sent what it kept.
UPDATE gap SET ask_at = node_state.ready_since + %(settling)s::interval, asked_to = NULL
FROM node_state
WHERE gap.node_id = %(node_id)s AND node_state.node_id = gap.node_id AND gap.closed_at IS NULL
  AND node_state.ready_since IS NOT NULL
  AND (gap.asked_at IS NULL OR gap.asked_at < node_state.ready_since)
  AND (gap.ask_at IS NULL OR gap.ask_at > node_state.ready_since + %(settling)s::interval)

-- name: due
-- Gaps whose node can be asked now and is not being asked; held until the transaction ends.
SELECT gap.id, gap.node_id, gap.boot, gap.missing, gap.asked_to, gap.attempts
FROM gap
JOIN node_state ON node_state.node_id = gap.node_id AND node_state.state = 'ready'
WHERE gap.closed_at IS NULL AND gap.ask_at <= %(now)s
  AND NOT EXISTS (SELECT FROM command
                  WHERE command.node_id = gap.node_id AND command.op = 'resend'
                    AND command.state IN ('queued', 'sent', 'accepted'))
ORDER BY gap.ask_at, gap.id LIMIT %(limit)s
FOR UPDATE OF gap SKIP LOCKED

-- name: asked
-- A part of a gap was asked for.
UPDATE gap SET asked_at = %(now)s, asked_to = %(asked_to)s, attempts = %(attempts)s,
    ask_at = %(ask_at)s
WHERE id = %(id)s

-- name: gone
-- The node says that these are gone for good; what has come all the same is no part of `missing`.
UPDATE gap SET gone = gone + missing * %(said)s::int8multirange,
    missing = missing - %(said)s::int8multirange,
    closed_at = CASE WHEN isempty(missing - %(said)s::int8multirange)
                     THEN coalesce(closed_at, %(now)s) ELSE closed_at END,
    how = CASE WHEN isempty(missing - %(said)s::int8multirange) THEN 'gone' ELSE how END
WHERE node_id = %(node_id)s AND boot = %(boot)s AND NOT recounted
  AND missing && %(said)s::int8multirange

-- name: answered
-- The node has answered: the rest of this turn need not wait.
UPDATE gap SET ask_at = least(ask_at, %(now)s)
WHERE node_id = %(node_id)s AND boot = %(boot)s AND closed_at IS NULL AND asked_to IS NOT NULL

-- name: give_up
-- Nobody asks for this gap any more.
UPDATE gap SET closed_at = %(now)s, how = 'given_up' WHERE id = %(id)s AND closed_at IS NULL

-- name: give_up_node
-- The node cannot send anything again.
UPDATE gap SET closed_at = %(now)s, how = 'given_up'
WHERE node_id = %(node_id)s AND closed_at IS NULL

-- name: give_up_old
-- No device keeps a message for so long.
UPDATE gap SET closed_at = %(now)s, how = 'given_up'
WHERE closed_at IS NULL AND found_at < %(before)s
