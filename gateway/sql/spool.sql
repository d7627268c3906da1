-- name: add
-- One message to send.
INSERT INTO message (boot, seq, kind, priority, payload, digest, created, tries)
VALUES (:boot, :seq, :kind, :priority, :payload, :digest, :created, :tries)

-- name: first
-- What goes before any measurement.
SELECT id, boot, seq, kind, payload, digest, created, tries FROM message
WHERE priority < 3 ORDER BY priority, id LIMIT :limit

-- name: fresh
-- Measurements of the last minute, waveforms last.
SELECT id, boot, seq, kind, payload, digest, created, tries FROM message
WHERE priority >= 3 AND created >= :live_since ORDER BY priority, created, id LIMIT :limit

-- name: backlog
-- Older measurements, the oldest first, waveforms last.
SELECT id, boot, seq, kind, payload, digest, created, tries FROM message
WHERE priority >= 3 AND created < :live_since ORDER BY priority, created, id LIMIT :limit

-- name: held
-- The numbers of a range that still wait.
SELECT seq FROM message WHERE boot = :boot AND seq BETWEEN :first AND :last ORDER BY seq

-- name: receive
-- The hub has them.
DELETE FROM message WHERE boot = :boot AND seq BETWEEN :first AND :last RETURNING boot, seq

-- name: reject
-- The hub refused it for good; kept with the reason.
INSERT OR REPLACE INTO reject (boot, seq, kind, payload, code, path, msg, at)
SELECT boot, seq, kind, payload, :code, :path, :msg, :at FROM message
WHERE boot = :boot AND seq BETWEEN :first AND :last

-- name: quarantine
-- Set a damaged message aside.
INSERT OR REPLACE INTO quarantine (id, boot, seq, kind, payload, digest, created, found)
SELECT id, boot, seq, kind, payload, digest, created, :found FROM message WHERE id = :id

-- name: delete
-- Remove one message.
DELETE FROM message WHERE id = :id

-- name: count_try
-- An event went out once more.
UPDATE message SET tries = tries + 1 WHERE id = :id

-- name: newest
-- The last message of a kind.
SELECT id FROM message WHERE kind = :kind ORDER BY id DESC LIMIT 1

-- name: waits
-- Whether a message has not reached the hub; one in quarantine never will.
SELECT 1 FROM message WHERE boot = :boot AND seq = :seq
UNION ALL SELECT 1 FROM quarantine WHERE boot = :boot AND seq = :seq

-- name: depth
-- How many wait.
SELECT count(*) AS messages FROM message

-- name: trim_age
-- Measurements nobody will want any more.
DELETE FROM message WHERE priority >= 3 AND created < :before RETURNING boot, seq

-- name: trim_size
-- The oldest measurements beyond so many bytes of payload, counted from the newest; waveforms go
-- before any reading does.
DELETE FROM message WHERE id IN (
    SELECT id FROM (
        SELECT id, sum(length(payload)) OVER (ORDER BY priority, id DESC) AS total
        FROM message WHERE priority >= 3)
    WHERE total > :bytes)
RETURNING boot, seq
