-- name: put
-- A message for a device, kept until downlink has handed it to the broker.
INSERT INTO outbound (node_id, kind, payload, created_at, expires_at)
VALUES (%(node_id)s, %(kind)s, %(payload)s, %(now)s, %(expires_at)s)

-- name: waiting
-- What still has time to reach its device, in order.
SELECT id, node_id, kind, payload, expires_at FROM outbound
WHERE published_at IS NULL AND expires_at > %(now)s AND node_id <> ALL(%(resting)s) ORDER BY id LIMIT %(limit)s

-- name: sent
-- The broker has it.
UPDATE outbound SET published_at = %(now)s WHERE id = %(outbound_id)s

-- name: clear
-- What came too late to be told, and what was told a week ago.
WITH gone AS (
    DELETE FROM outbound
    WHERE (published_at IS NULL AND expires_at <= %(now)s) OR published_at < %(told_before)s
    RETURNING published_at
)
SELECT count(*) FROM gone WHERE published_at IS NULL
