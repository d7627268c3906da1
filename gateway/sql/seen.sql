-- name: memory
-- What a meter held when it was last read.
SELECT frames, records, read_at FROM memory WHERE dev = :dev

-- name: put_memory
-- What a meter holds now.
INSERT INTO memory (dev, frames, records, read_at) VALUES (:dev, :frames, :records, :read_at)
ON CONFLICT (dev) DO UPDATE SET frames = excluded.frames, records = excluded.records,
    read_at = excluded.read_at

-- name: all
-- How often each frame was taken.
SELECT raw, times FROM seen WHERE dev = :dev

-- name: in_minute
-- How many records of a minute were taken.
SELECT coalesce(sum(times), 0) AS times FROM seen WHERE dev = :dev AND minute = :minute

-- name: take
-- A record is taken, once more if it was before.
INSERT INTO seen (dev, raw, minute, times, last) VALUES (:dev, :raw, :minute, 1, :last)
ON CONFLICT (dev, raw) DO UPDATE SET times = times + 1, last = excluded.last

-- name: forget
-- Records that no memory holds any more.
DELETE FROM seen WHERE last < :before
