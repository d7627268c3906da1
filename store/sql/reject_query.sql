-- name: products
-- What was refused, by the product that sent it, as it was then; the most refused first.
WITH seen AS (
    SELECT reject.* FROM reject LEFT JOIN node ON node.id = reject.node_id
    WHERE reject.received_at >= %(since)s AND reject.received_at < %(until)s
      AND (%(code)s::text IS NULL OR reject.code = %(code)s)
      AND (%(maker)s::text IS NULL OR reject.maker = %(maker)s)
      AND (%(model)s::text IS NULL OR reject.model = %(model)s)
      AND (%(firmware)s::text IS NULL OR reject.firmware = %(firmware)s)
      AND (%(payload)s::bytea IS NULL OR position(%(payload)s::bytea IN reject.payload) > 0)
      AND (%(node_id)s::text IS NULL OR reject.node_id = %(node_id)s)
      AND (reject.node_id IN (SELECT * FROM visible_nodes(%(staff_id)s))
           OR (is_administrator(%(staff_id)s) AND node.id IS NULL))
      AND (%(text)s::text IS NULL OR strpos(lower(concat_ws(' ', reject.maker, reject.model,
               reject.firmware, reject.node_id, node.label, reject.path, reject.got,
               reject.reason)), lower(%(text)s)) > 0))
SELECT maker, model, firmware, count(*) AS times, count(DISTINCT node_id) AS nodes,
       min(received_at) AS first_at, max(received_at) AS last_at,
       array_agg(DISTINCT code ORDER BY code) AS codes
FROM seen
GROUP BY maker, model, firmware
ORDER BY times DESC, last_at DESC
LIMIT %(limit)s

-- name: kinds
-- What of one product was refused: by code and by place, numbers of entries left out.
SELECT reject.code, regexp_replace(coalesce(reject.path, ''), '/[0-9]+(?=/|$)', '/*', 'g') AS place,
       count(*) AS times, count(DISTINCT reject.node_id) AS nodes,
       min(reject.received_at) AS first_at, max(reject.received_at) AS last_at,
       max(reject.id) AS newest_id,
       (array_agg(reject.reason ORDER BY reject.id DESC))[1] AS reason,
       (array_agg(reject.got ORDER BY reject.id DESC))[1] AS got,
       count(*) FILTER (WHERE reject.replay_asked_at IS NULL) AS to_replay
FROM reject LEFT JOIN node ON node.id = reject.node_id
WHERE reject.received_at >= %(since)s AND reject.received_at < %(until)s
  AND reject.maker IS NOT DISTINCT FROM %(maker)s
  AND reject.model IS NOT DISTINCT FROM %(model)s
  AND reject.firmware IS NOT DISTINCT FROM %(firmware)s
  AND (%(code)s::text IS NULL OR reject.code = %(code)s)
  AND (%(node_id)s::text IS NULL OR reject.node_id = %(node_id)s)
  AND (reject.node_id IN (SELECT * FROM visible_nodes(%(staff_id)s))
       OR (is_administrator(%(staff_id)s) AND node.id IS NULL))
GROUP BY 1, 2
ORDER BY times DESC, last_at DESC
LIMIT %(limit)s

-- name: one
-- One refusal with its message: of a message with several defects the first row carries it.
SELECT reject.id, reject.received_at, reject.node_id, node.label AS node_label, reject.topic,
       reject.boot, reject.seq, reject.code, reject.path, reject.got, reject.reason,
       reject.kept, reject.dropped, reject.maker, reject.model, reject.firmware,
       carrier.id AS carrier_id, carrier.payload, carrier.replay_asked_at, carrier.replay_asked_by,
       carrier.replayed_at, carrier.replay_result
FROM reject LEFT JOIN node ON node.id = reject.node_id
CROSS JOIN LATERAL (
    SELECT whole.* FROM reject AS whole
    WHERE whole.node_id IS NOT DISTINCT FROM reject.node_id
      AND whole.received_at = reject.received_at AND whole.topic = reject.topic
      AND whole.boot IS NOT DISTINCT FROM reject.boot
      AND whole.seq IS NOT DISTINCT FROM reject.seq
      AND (whole.payload <> '' OR whole.id = reject.id)
    ORDER BY whole.id = reject.id AND whole.payload <> '' DESC, whole.payload <> '' DESC, whole.id
    LIMIT 1) AS carrier
WHERE reject.id = %(reject_id)s
  AND (reject.node_id IN (SELECT * FROM visible_nodes(%(staff_id)s))
       OR (is_administrator(%(staff_id)s) AND node.id IS NULL))

-- name: alike
-- The messages refused for one reason, newest first, with what became of their replay.
SELECT reject.id, reject.received_at, reject.node_id, node.label AS node_label, reject.seq,
       reject.path, reject.got, reject.replay_asked_at, reject.replayed_at, reject.replay_result
FROM reject LEFT JOIN node ON node.id = reject.node_id
WHERE reject.received_at >= %(since)s AND reject.received_at < %(until)s AND reject.code = %(code)s
  AND reject.maker IS NOT DISTINCT FROM %(maker)s
  AND reject.model IS NOT DISTINCT FROM %(model)s
  AND reject.firmware IS NOT DISTINCT FROM %(firmware)s
  AND regexp_replace(coalesce(reject.path, ''), '/[0-9]+(?=/|$)', '/*', 'g') = %(place)s
  AND (%(node_id)s::text IS NULL OR reject.node_id = %(node_id)s)
  AND (reject.node_id IN (SELECT * FROM visible_nodes(%(staff_id)s))
       OR (is_administrator(%(staff_id)s) AND node.id IS NULL))
ORDER BY reject.id DESC
LIMIT %(limit)s

-- name: ask_replay
-- Have messages taken again: each by the row that carries it, none twice at a time.
WITH wanted AS (
    SELECT DISTINCT carrier.id FROM reject
    LEFT JOIN node ON node.id = reject.node_id
    JOIN reject AS carrier
      ON carrier.node_id IS NOT DISTINCT FROM reject.node_id
     AND carrier.received_at = reject.received_at AND carrier.topic = reject.topic
     AND carrier.boot IS NOT DISTINCT FROM reject.boot
     AND carrier.seq IS NOT DISTINCT FROM reject.seq AND carrier.payload <> ''
    WHERE reject.id = ANY(%(ids)s::bigint[])
      AND node.id IS NOT NULL AND node.revoked_at IS NULL
      AND reject.node_id IN (SELECT * FROM visible_nodes(%(staff_id)s)))
UPDATE reject
SET replay_asked_at = %(now)s, replay_asked_by = %(by)s, replayed_at = NULL, replay_result = NULL
FROM wanted
WHERE reject.id = wanted.id
  AND (reject.replay_asked_at IS NULL OR reject.replayed_at IS NOT NULL)
RETURNING reject.id

-- name: wake_replay
-- Whoever replays looks now, not at its next round.
SELECT pg_notify('replay', '')

-- name: page
-- What was refused, one by one, newest first, below an id. What is looked for in a message is
-- looked for in its bytes, so that nothing in it has a meaning.
SELECT reject.id, reject.received_at, reject.node_id, node.label AS node_label, reject.topic,
       reject.boot, reject.seq, reject.code, reject.path, reject.got, reject.reason,
       reject.payload, reject.kept, reject.dropped, reject.maker, reject.model, reject.firmware,
       reject.replay_asked_at, reject.replayed_at, reject.replay_result
FROM reject LEFT JOIN node ON node.id = reject.node_id
WHERE reject.received_at >= %(since)s AND reject.received_at < %(until)s AND reject.id < %(before)s
  AND (%(code)s::text IS NULL OR reject.code = %(code)s)
  AND (%(node_id)s::text IS NULL OR reject.node_id = %(node_id)s)
  AND (%(maker)s::text IS NULL OR reject.maker = %(maker)s)
  AND (%(model)s::text IS NULL OR reject.model = %(model)s)
  AND (%(firmware)s::text IS NULL OR reject.firmware = %(firmware)s)
  AND (%(payload)s::bytea IS NULL OR position(%(payload)s::bytea IN reject.payload) > 0)
  AND (%(text)s::text IS NULL OR strpos(lower(concat_ws(' ', reject.maker, reject.model,
           reject.firmware, reject.node_id, node.label, reject.path, reject.got,
           reject.reason)), lower(%(text)s)) > 0)
  AND (reject.node_id IN (SELECT * FROM visible_nodes(%(staff_id)s))
       OR (is_administrator(%(staff_id)s) AND node.id IS NULL))
ORDER BY reject.id DESC
LIMIT %(limit)s

-- name: counts
-- How much was refused with each code, by hour or by day.
SELECT date_trunc(%(step)s, reject.received_at, 'UTC') AS at, reject.code, count(*) AS times
FROM reject LEFT JOIN node ON node.id = reject.node_id
WHERE reject.received_at >= %(since)s AND reject.received_at < %(until)s
  AND (%(code)s::text IS NULL OR reject.code = %(code)s)
  AND (%(node_id)s::text IS NULL OR reject.node_id = %(node_id)s)
  AND (%(maker)s::text IS NULL OR reject.maker = %(maker)s)
  AND (%(model)s::text IS NULL OR reject.model = %(model)s)
  AND (%(firmware)s::text IS NULL OR reject.firmware = %(firmware)s)
  AND (reject.node_id IN (SELECT * FROM visible_nodes(%(staff_id)s))
       OR (is_administrator(%(staff_id)s) AND node.id IS NULL))
GROUP BY 1, 2
ORDER BY 1, 2
LIMIT %(limit)s

-- name: replays
-- What was asked to be taken again, and how far it is: one line a person and instant.
SELECT replay_asked_at AS at, replay_asked_by AS by, count(*) AS asked,
       count(replayed_at) AS done,
       count(*) FILTER (WHERE replay_result LIKE 'stored%%') AS stored,
       count(*) FILTER (WHERE replay_result LIKE 'stored in part%%') AS in_part,
       count(*) FILTER (WHERE replay_result LIKE 'refused%%') AS refused,
       count(*) FILTER (WHERE replay_result = 'nothing new') AS nothing_new
FROM reject
WHERE replay_asked_at >= %(since)s
  AND node_id IN (SELECT * FROM visible_nodes(%(staff_id)s))
GROUP BY replay_asked_at, replay_asked_by
ORDER BY replay_asked_at DESC, replay_asked_by
LIMIT %(limit)s
