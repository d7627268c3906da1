-- name: append
-- The batch row, as the last statement before commit; NOTIFY only wakes the readers. The short lock
-- holds until commit, and ids are drawn after it, so their order is the order of commit.
WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock(4851002)),
appended AS (
    INSERT INTO batch (id, kind, payload, items)
    SELECT nextval('batch_id'), %(kind)s, %(payload)b, %(items)s::integer FROM locked
    RETURNING id
)
SELECT id, pg_notify('feed', id::text) FROM appended

-- name: read_after
-- What was committed after a position, in order: one batch at least, and no further one once there
-- are that many items.
SELECT id, payload, committed_at
FROM (
    SELECT id, payload, committed_at, sum(items) OVER (ORDER BY id) - items AS before
    FROM (
        SELECT id, payload, committed_at, items
        FROM batch WHERE id > %(position)s ORDER BY id LIMIT %(limit)s
    ) AS next
) AS counted
WHERE before < %(items)s
ORDER BY id

-- name: position
-- Where a consumer stands, locked so that a second one of the same name waits.
SELECT position FROM feed_cursor WHERE consumer = %(consumer)s FOR UPDATE

-- name: start
-- A consumer starts at the beginning of what is kept.
INSERT INTO feed_cursor (consumer, position) VALUES (%(consumer)s, 0) ON CONFLICT DO NOTHING

-- name: move
-- In the transaction of the consumer's own effects, so that each batch counts exactly once.
UPDATE feed_cursor SET position = %(position)s, moved_at = now()
WHERE consumer = %(consumer)s AND position < %(position)s

-- name: prune
-- Batches older than a week, by both clocks, that every consumer has passed; a part, so that nobody
-- waits.
DELETE FROM batch WHERE id IN (
    SELECT id FROM batch WHERE committed_at < least(now(), %(now)s) - interval '7 days'
    AND id <= (SELECT coalesce(min(position), 0) FROM feed_cursor)
    ORDER BY id LIMIT %(limit)s)
