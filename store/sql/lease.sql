-- name: look
-- Who holds it, and whether that process is connected to this database.
SELECT lease.holder, lease.epoch, lease.renewed_at,
    EXISTS (SELECT FROM pg_stat_activity s WHERE s.datname = current_database()
            AND s.application_name LIKE '%% @' || lease.holder)
FROM lease WHERE lease.name = %(name)s

-- name: take
-- Only if nothing has changed since it was looked at: of two who try, one gets it. Who had it
-- loses whatever it has open here, begun and not committed. One statement: nobody who is frozen in
-- the middle holds the row.
WITH taken AS (
    INSERT INTO lease AS held (name, holder, epoch, renewed_at)
    VALUES (%(name)s, %(holder)s, 1, clock_timestamp())
    ON CONFLICT (name) DO UPDATE
    SET holder = excluded.holder, epoch = held.epoch + 1, renewed_at = clock_timestamp()
    WHERE held.epoch = %(epoch)s AND held.renewed_at = %(renewed_at)s
      AND held.holder IS NOT DISTINCT FROM %(before)s
    RETURNING epoch
)
SELECT taken.epoch, ended.number FROM taken, LATERAL (
    SELECT count(*) FILTER (WHERE pg_terminate_backend(s.pid)) AS number
    FROM pg_stat_activity s
    WHERE taken.epoch > 0 AND s.datname = current_database() AND s.pid <> pg_backend_pid()
      AND s.application_name LIKE '%% @' || %(before)s
) ended

-- name: take_only
-- The same, where the database role may not end the sessions of the old holder.
INSERT INTO lease AS held (name, holder, epoch, renewed_at)
VALUES (%(name)s, %(holder)s, 1, clock_timestamp())
ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder, epoch = held.epoch + 1, renewed_at = clock_timestamp()
WHERE held.epoch = %(epoch)s AND held.renewed_at = %(renewed_at)s
  AND held.holder IS NOT DISTINCT FROM %(before)s
RETURNING epoch, 0

-- name: renew
-- Still ours, and how many others wait for it.
UPDATE lease SET renewed_at = clock_timestamp()
WHERE name = %(name)s AND holder = %(holder)s AND epoch = %(epoch)s
RETURNING (SELECT count(*) FROM pg_stat_activity s WHERE s.datname = current_database()
           AND s.application_name LIKE %(waiting)s)

-- name: admit
-- Waits for somebody who is taking it over just now, so that the answer is not of a moment ago.
SELECT FROM lease WHERE name = %(name)s AND holder = %(holder)s AND epoch = %(epoch)s FOR SHARE

-- name: release
-- Anybody may have it at once.
UPDATE lease SET holder = NULL, renewed_at = clock_timestamp()
WHERE name = %(name)s AND holder = %(holder)s AND epoch = %(epoch)s

-- name: not_durable
-- A renewal that a crash forgets harms nobody: it need not wait for the disk.
SET synchronous_commit = off
