-- name: last
-- The latest call for help.
SELECT id, at, boot, seq, stage, say, cancelled, dismissed FROM help_call ORDER BY at DESC LIMIT 1

-- name: put
-- A call as it is now.
INSERT INTO help_call (id, at, boot, seq, stage, say, cancelled, dismissed)
VALUES (:id, :at, :boot, :seq, :stage, :say, :cancelled, :dismissed)
ON CONFLICT (id) DO UPDATE SET stage = excluded.stage, say = excluded.say,
    cancelled = excluded.cancelled, dismissed = excluded.dismissed
