-- name: ask
-- Nothing; but what was notified before comes before the answer.
SELECT 1
