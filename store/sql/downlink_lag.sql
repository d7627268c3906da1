-- name: waiting
-- What waits to be published, and since when, by what it is.
SELECT 'command', count(*), min(created_at) FROM command
WHERE state = 'queued' AND expires_at > %(now)s
UNION ALL
SELECT 'message', count(*), min(created_at) FROM outbound
WHERE published_at IS NULL AND expires_at > %(now)s
UNION ALL
SELECT 'plan', count(*), min(edited_at) FROM plan
WHERE published_at IS NULL AND body IS NOT NULL AND holds_until > %(now)s
UNION ALL
SELECT 'unanswered', count(*), min(published_at) FROM command
WHERE state IN ('sent', 'accepted') AND expires_at > %(now)s
