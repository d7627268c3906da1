-- name: put
-- One notification; its key makes writing it twice harmless.
INSERT INTO notification (episode_id, idempotency_key, channel, staff_id, team_id, contact_id,
    round, step, reason, body, created_at, next_attempt_at, state, settled_at)
VALUES (%(episode_id)s, %(idempotency_key)s, %(channel)s, %(staff_id)s, %(team_id)s,
    %(contact_id)s, %(round)s, %(step)s, %(reason)s, %(body)s, %(created_at)s,
    %(next_attempt_at)s, %(state)s, %(settled_at)s)
ON CONFLICT (idempotency_key) DO NOTHING

-- name: claim_due
-- What is due, the gravest first, leased to the caller; who dies holding a lease loses it.
WITH ranked AS (
    SELECT n.id, e.tier, row_number() OVER (
        PARTITION BY n.contact_id ORDER BY e.tier DESC, n.next_attempt_at, n.id) AS place
    FROM notification n JOIN episode e ON e.id = n.episode_id
    WHERE n.state = 'queued' AND n.next_attempt_at <= %(now)s
      AND NOT coalesce(n.contact_id = ANY(%(busy)s::bigint[]), false)
), due AS (
    SELECT n.id FROM notification n JOIN ranked ON ranked.id = n.id
    WHERE ranked.place <= %(each)s AND n.state = 'queued' AND n.next_attempt_at <= %(now)s
    ORDER BY ranked.tier DESC, n.next_attempt_at, n.id
    LIMIT %(limit)s
    FOR UPDATE OF n SKIP LOCKED
), taken AS (
    UPDATE notification n SET next_attempt_at = %(lease_until)s, attempts = n.attempts + 1
    FROM due WHERE n.id = due.id
    RETURNING n.*
)
SELECT taken.id, taken.episode_id, taken.idempotency_key, taken.channel, taken.contact_id,
       taken.round, taken.step, taken.reason, taken.body, taken.created_at, taken.attempts,
       contact.address, contact.secret, episode.state AS episode_state
FROM taken
JOIN episode ON episode.id = taken.episode_id
LEFT JOIN contact ON contact.id = taken.contact_id AND contact.disabled_at IS NULL
ORDER BY episode.tier DESC, taken.id

-- name: settle
-- The end of a notification, once.
UPDATE notification SET state = %(state)s, settled_at = %(now)s, last_error = %(error)s
WHERE id = %(id)s AND state = 'queued'

-- name: try_again
-- Due again later.
UPDATE notification SET next_attempt_at = %(at)s, last_error = %(error)s
WHERE id = %(id)s AND state = 'queued'

-- name: delivery
-- One attempt.
INSERT INTO delivery (notification_id, at, outcome, detail, took_ms)
VALUES (%(id)s, %(at)s, %(outcome)s, %(detail)s, %(took_ms)s)

-- name: drop_queued
-- Nobody needs to be told any more.
UPDATE notification SET state = 'dropped', settled_at = %(now)s, last_error = %(why)s
WHERE episode_id = %(episode_id)s AND state = 'queued'

-- name: unreached
-- Episodes whose present step was tried long enough, and reached nobody outside the console.
SELECT DISTINCT n.episode_id, n.round, n.step
FROM notification n JOIN episode e ON e.id = n.episode_id
WHERE n.state = 'queued' AND n.attempts > 0 AND n.created_at <= %(before)s
  AND e.state = 'open' AND (e.round, e.step) = (n.round, n.step) AND e.escalate_at > %(now)s
  AND e.step < jsonb_array_length(e.policy -> 'ladder')
  AND NOT EXISTS (
    SELECT FROM notification other
    WHERE (other.episode_id, other.round, other.step) = (n.episode_id, n.round, n.step)
      AND other.channel <> 'console' AND other.state = 'delivered')
ORDER BY n.episode_id

-- name: others
-- Another address of the same step that was reached, or is still being tried for the first time.
SELECT 1 FROM notification
WHERE episode_id = %(episode_id)s AND round = %(round)s AND step = %(step)s AND id <> %(id)s
  AND channel <> 'console'
  AND (state = 'delivered' OR (state = 'queued' AND attempts = 0))
LIMIT 1
