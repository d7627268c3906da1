-- name: waiting
-- Messages to be taken again.
SELECT id, received_at, topic, payload FROM reject
WHERE replay_asked_at IS NOT NULL AND replayed_at IS NULL
ORDER BY replay_asked_at, id LIMIT %(limit)s

-- name: hold
-- Those that still wait and that nobody else has in hand.
SELECT id FROM reject
WHERE id = ANY(%(ids)s) AND replay_asked_at IS NOT NULL AND replayed_at IS NULL
ORDER BY id FOR UPDATE SKIP LOCKED

-- name: note
-- What became of them.
UPDATE reject SET replayed_at = %(now)s, replay_result = known.result
FROM unnest(%(ids)s::bigint[], %(results)s::text[]) AS known (id, result)
WHERE reject.id = known.id

-- name: born_at
-- When nodes last described themselves.
SELECT id, birth_at FROM node WHERE id = ANY(%(node_id)s) AND birth_at IS NOT NULL
