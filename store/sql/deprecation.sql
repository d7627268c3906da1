-- name: note
-- Uses since the last time they were noted; sorted, so that two writers cannot deadlock.
INSERT INTO deprecated_use
    (node_id, maker, model, firmware, code, place, detail, times, first_at, last_at)
SELECT * FROM unnest(%(node_id)s::text[], %(maker)s::text[], %(model)s::text[],
    %(firmware)s::text[], %(code)s::text[], %(place)s::text[], %(detail)s::text[],
    %(times)s::bigint[], %(first_at)s::timestamptz[], %(last_at)s::timestamptz[])
    AS seen (node_id, maker, model, firmware, code, place, detail, times, first_at, last_at)
ORDER BY node_id, maker, model, firmware, code, place, detail
ON CONFLICT ON CONSTRAINT deprecated_use_once DO UPDATE SET
    times = deprecated_use.times + excluded.times,
    first_at = least(deprecated_use.first_at, excluded.first_at),
    last_at = greatest(deprecated_use.last_at, excluded.last_at)

-- name: lines
-- What the nodes of a person's scope still send, by product.
SELECT maker, model, firmware, code, place, detail, sum(times)::bigint AS times,
       count(*) AS nodes, min(first_at) AS first_at, max(last_at) AS last_at,
       (array_agg(node_id ORDER BY last_at DESC, node_id))[1] AS newest_node
FROM deprecated_use
WHERE last_at >= %(since)s
  AND (%(node_id)s::text IS NULL OR node_id = %(node_id)s)
  AND node_id IN (SELECT * FROM visible_nodes(%(staff_id)s))
GROUP BY maker, model, firmware, code, place, detail
ORDER BY max(max(last_at)) OVER (PARTITION BY maker, model, firmware) DESC,
         maker, model, firmware, last_at DESC, code, place, detail
LIMIT %(limit)s

-- name: prune
-- What nobody has sent since then.
DELETE FROM deprecated_use WHERE last_at < %(before)s
