-- name: announce
-- A firmware for a product; one that was withdrawn may be announced again, as if new.
INSERT INTO firmware (maker, model, hardware, version, url, sha256, size, signature, window_from,
    window_to, announced_at, announced_by)
VALUES (%(maker)s, %(model)s, %(hardware)s, %(version)s, %(url)s, %(sha256)s, %(size)s,
    %(signature)s, %(window_from)s, %(window_to)s, %(now)s, %(by)s)
ON CONFLICT ON CONSTRAINT firmware_once DO UPDATE SET url = excluded.url,
    sha256 = excluded.sha256, size = excluded.size, signature = excluded.signature,
    window_from = excluded.window_from, window_to = excluded.window_to,
    announced_at = excluded.announced_at, announced_by = excluded.announced_by,
    withdrawn_at = NULL
WHERE firmware.withdrawn_at IS NOT NULL
RETURNING id

-- name: forget_notices
-- Announced anew: what devices made of the earlier announcement is history.
DELETE FROM firmware_notice WHERE firmware_id = %(firmware_id)s

-- name: every
-- All announcements, the newest first, with how far the nodes have come.
SELECT firmware.id, maker, model, hardware, version, url, sha256, size, signature, window_from,
       window_to, announced_at, announced_by, withdrawn_at,
       count(notice.node_id) FILTER (WHERE notice.cleared_at IS NULL) AS told,
       count(notice.node_id) FILTER (WHERE notice.state = 'ok') AS ok,
       count(notice.node_id) FILTER (WHERE notice.state IN ('error', 'unsupported')) AS failed
FROM firmware LEFT JOIN firmware_notice notice ON notice.firmware_id = firmware.id
GROUP BY firmware.id ORDER BY announced_at DESC, firmware.id DESC

-- name: withdraw
-- No device is told of it any more.
UPDATE firmware SET withdrawn_at = %(now)s WHERE id = %(firmware_id)s AND withdrawn_at IS NULL

-- name: notices_of_node
-- What a node was told to fetch, and what it made of it.
SELECT notice.node_id, firmware.id AS firmware_id, firmware.version, notice.published_at,
       notice.state, notice.progress, notice.detail, notice.answered_at, notice.cleared_at
FROM firmware_notice notice JOIN firmware ON firmware.id = notice.firmware_id
WHERE notice.node_id = %(node_id)s ORDER BY firmware.announced_at DESC, firmware.id DESC

-- name: notices_of_firmware
-- How far each node has come with a firmware.
SELECT notice.node_id, firmware.id AS firmware_id, firmware.version, notice.published_at,
       notice.state, notice.progress, notice.detail, notice.answered_at, notice.cleared_at
FROM firmware_notice notice JOIN firmware ON firmware.id = notice.firmware_id
WHERE notice.firmware_id = %(firmware_id)s ORDER BY notice.node_id

-- name: waiting
-- Nodes whose birth told of another firmware than the one announced last, and that were not told
-- lately: a notice expires at the broker, so it is told again in time.
SELECT wanted.node_id, wanted.firmware_id, wanted.version, wanted.url, wanted.sha256, wanted.size,
       wanted.signature, wanted.window_from, wanted.window_to
FROM firmware_wanted wanted LEFT JOIN firmware_notice notice USING (node_id, firmware_id)
WHERE (notice.published_at IS NULL OR notice.cleared_at IS NOT NULL
       OR notice.published_at < %(renew_before)s)
  AND wanted.node_id <> ALL(%(resting)s)
ORDER BY wanted.node_id LIMIT %(limit)s

-- name: current
-- Every notice that should be retained at the broker, from a node on.
SELECT node_id, firmware_id, version, url, sha256, size, signature, window_from, window_to
FROM firmware_wanted WHERE node_id > %(after)s ORDER BY node_id LIMIT %(limit)s

-- name: told
-- The broker has the notice.
INSERT INTO firmware_notice (node_id, firmware_id, published_at)
VALUES (%(node_id)s, %(firmware_id)s, %(now)s)
ON CONFLICT (node_id, firmware_id) DO UPDATE
SET published_at = excluded.published_at, cleared_at = NULL

-- name: over
-- Notices that hold no more: the node has that firmware, or nobody is to have it. `replaced` is
-- whether another notice stands on the node's topic instead.
SELECT notice.node_id, notice.firmware_id,
       EXISTS (SELECT FROM firmware_wanted w WHERE w.node_id = notice.node_id) AS replaced
FROM firmware_notice notice JOIN node ON node.id = notice.node_id AND node.revoked_at IS NULL
WHERE notice.published_at IS NOT NULL AND notice.cleared_at IS NULL
  AND NOT EXISTS (SELECT FROM firmware_wanted w
                  WHERE (w.node_id, w.firmware_id) = (notice.node_id, notice.firmware_id))
  AND notice.node_id <> ALL(%(resting)s)
ORDER BY notice.node_id LIMIT %(limit)s

-- name: cleared
-- The broker holds the notice no more.
UPDATE firmware_notice SET cleared_at = %(now)s
WHERE node_id = %(node_id)s AND firmware_id = %(firmware_id)s AND cleared_at IS NULL

-- name: progressed
-- What the device last made of a version it was told of. Installed stays installed: progress that
-- was held back on the way says nothing new.
UPDATE firmware_notice notice SET state = %(state)s, progress = %(progress)s, detail = %(detail)s,
    answered_at = %(at)s
FROM firmware WHERE firmware.id = notice.firmware_id AND firmware.version = %(version)s
  AND notice.node_id = %(node_id)s AND coalesce(notice.answered_at <= %(at)s, true)
  AND NOT coalesce(notice.state = 'ok' AND %(state)s = 'accepted', false)
