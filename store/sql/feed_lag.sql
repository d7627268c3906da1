-- name: lag
-- How far each consumer is behind: batches it has not taken (counted up to a limit), and the age
-- of the oldest of them in seconds.
SELECT c.consumer,
    (SELECT count(*) FROM
        (SELECT FROM batch WHERE batch.id > c.position LIMIT %(limit)s) waiting),
    coalesce(extract(epoch FROM clock_timestamp() -
        (SELECT committed_at FROM batch WHERE batch.id > c.position ORDER BY batch.id LIMIT 1)), 0)
FROM feed_cursor c

-- name: anything
-- Whether there is a batch a consumer has not taken; without a lock, so that asking costs nothing.
SELECT EXISTS (SELECT FROM batch WHERE id > coalesce(
    (SELECT position FROM feed_cursor WHERE consumer = %(consumer)s), 0))
