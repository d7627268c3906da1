-- name: sweep
-- The counts after this one, each with whether there may be something to find or to close in it.
WITH RECURSIVE boots AS (
    (SELECT node_id, boot FROM message
     WHERE (node_id, boot) > (%(node_id)s::text, %(boot)s::bigint)
     ORDER BY node_id, boot LIMIT 1)
    UNION ALL
    SELECT further.node_id, further.boot FROM boots CROSS JOIN LATERAL (
        SELECT node_id, boot FROM message
        WHERE (node_id, boot) > (boots.node_id, boots.boot)
        ORDER BY node_id, boot LIMIT 1) AS further)
SELECT page.node_id, page.boot,
       watch.settled_to IS DISTINCT FROM
           (SELECT max(seq) FROM message WHERE (node_id, boot) = (page.node_id, page.boot))
       OR EXISTS (SELECT FROM gap WHERE (gap.node_id, gap.boot) = (page.node_id, page.boot)
                  AND gap.closed_at IS NULL) AS worth_a_look
FROM (SELECT * FROM boots LIMIT %(limit)s) AS page
LEFT JOIN gap_watch AS watch USING (node_id, boot)
ORDER BY page.node_id, page.boot

-- name: tops
-- How far each count was looked at, whether that was noted within a week, and its highest number.
SELECT wanted.node_id, wanted.boot, coalesce(watch.settled_to, -1),
       coalesce(watch.looked_at > %(lately)s, false),
       (SELECT max(seq) FROM message
        WHERE message.node_id = wanted.node_id AND message.boot = wanted.boot)
FROM unnest(%(node_id)s::text[], %(boot)s::bigint[]) AS wanted (node_id, boot)
JOIN node ON node.id = wanted.node_id
LEFT JOIN gap_watch AS watch USING (node_id, boot)

-- name: islands
-- The unbroken ranges from a number on, of at most so many messages, with their arrivals: of the
-- lowest number, of the highest, and the latest of all.
SELECT wanted.node_id, wanted.boot, island.low, island.high, island.low_at, island.high_at,
       island.newest_at
FROM unnest(%(node_id)s::text[], %(boot)s::bigint[], %(since)s::bigint[])
    AS wanted (node_id, boot, since)
CROSS JOIN LATERAL (
    SELECT min(seq) AS low, max(seq) AS high, max(received_at) AS newest_at,
           (array_agg(received_at ORDER BY seq))[1] AS low_at,
           (array_agg(received_at ORDER BY seq DESC))[1] AS high_at
    FROM (SELECT seq, received_at, seq - row_number() OVER (ORDER BY seq) AS shore
          FROM message
          WHERE message.node_id = wanted.node_id AND message.boot = wanted.boot
            AND seq >= wanted.since
          ORDER BY seq LIMIT %(limit)s) AS numbered
    GROUP BY shore) AS island
ORDER BY wanted.node_id, wanted.boot, island.low

-- name: count_anew
-- These boots are counted from the beginning again: what was known of their numbers is over. What
-- lies below the lowest number that came since may have been taken before: it is not asked for.
WITH anew AS (
    SELECT wanted.node_id, wanted.boot,
           (SELECT min(seq) FROM message
            WHERE message.node_id = wanted.node_id AND message.boot = wanted.boot) AS lowest
    FROM unnest(%(node_id)s::text[], %(boot)s::bigint[]) AS wanted (node_id, boot)
    JOIN node ON node.id = wanted.node_id),
begun AS (
    INSERT INTO gap_watch (node_id, boot, settled_to, first_at, looked_at)
    SELECT node_id, boot, coalesce(lowest - 1, -1), %(now)s, %(now)s FROM anew
    ORDER BY node_id, boot
    ON CONFLICT (node_id, boot) DO UPDATE SET settled_to = excluded.settled_to, unfollowed = 0,
        first_at = excluded.first_at, looked_at = excluded.looked_at)
UPDATE gap SET recounted = true, closed_at = coalesce(closed_at, %(now)s),
    how = coalesce(how, 'given_up')
FROM anew WHERE (gap.node_id, gap.boot) = (anew.node_id, anew.boot) AND NOT gap.recounted

-- name: came
-- What has come by now is missing no longer, nor gone, whatever was said of it.
WITH came AS (
    SELECT gap.id, range_agg(int8range(seq, seq + 1)) AS numbers
    FROM unnest(%(node_id)s::text[], %(boot)s::bigint[]) AS wanted (node_id, boot)
    JOIN gap ON gap.node_id = wanted.node_id AND gap.boot = wanted.boot
        AND gap.followed AND NOT gap.recounted AND gap.how IS DISTINCT FROM 'came'
    CROSS JOIN LATERAL unnest(gap.missing + gap.gone) AS piece
    -- OFFSET keeps this a look at the piece: joined freely, all of the boot would be read.
    CROSS JOIN LATERAL (
        SELECT seq FROM message
        WHERE message.node_id = gap.node_id AND message.boot = gap.boot
          AND seq >= lower(piece) AND seq < upper(piece) OFFSET 0) AS arrived
    GROUP BY gap.id)
UPDATE gap SET missing = gap.missing - came.numbers, gone = gap.gone - came.numbers,
    closed_at = CASE WHEN isempty(gap.missing - came.numbers)
                     THEN coalesce(gap.closed_at, %(now)s) ELSE gap.closed_at END,
    how = CASE WHEN NOT isempty(gap.missing - came.numbers) THEN gap.how
               WHEN isempty(gap.gone - came.numbers) THEN 'came' ELSE 'gone' END
FROM came WHERE gap.id = came.id

-- name: give_up_pieces
-- What came in too many pieces is not followed any further.
UPDATE gap SET followed = false, closed_at = coalesce(closed_at, %(now)s),
    how = coalesce(how, 'given_up')
WHERE node_id = ANY(%(node_id)s) AND closed_at IS NULL
  AND (SELECT count(*) FROM unnest(missing)) > %(pieces)s

-- name: room
-- How many gaps of a day count against each node: those open, and those given up.
SELECT node_id, count(*) FROM gap
WHERE node_id = ANY(%(node_id)s)
  AND (closed_at IS NULL OR (how = 'given_up' AND found_at > %(since)s))
GROUP BY node_id

-- name: found
-- Gaps nobody knew of. Found by two at once they are there once.
INSERT INTO gap (node_id, boot, numbers, missing, after_at, before_at, found_at, ask_at, followed,
                 closed_at, how)
SELECT node_id, boot, int8range(low, high, '[]'), int8multirange(int8range(low, high, '[]')),
       after_at, before_at, %(now)s, %(now)s, high - low < %(widest)s,
       CASE WHEN high - low >= %(widest)s THEN %(now)s::timestamptz END,
       CASE WHEN high - low >= %(widest)s THEN 'given_up' END
FROM unnest(%(node_id)s::text[], %(boot)s::bigint[], %(low)s::bigint[], %(high)s::bigint[],
            %(after_at)s::timestamptz[], %(before_at)s::timestamptz[])
    AS hole (node_id, boot, low, high, after_at, before_at)
ON CONFLICT DO NOTHING

-- name: watched
-- How far the counts were looked at.
INSERT INTO gap_watch (node_id, boot, settled_to, first_at, looked_at, unfollowed)
SELECT node_id, boot, settled_to, first_at, %(now)s, unfollowed
FROM unnest(%(node_id)s::text[], %(boot)s::bigint[], %(settled_to)s::bigint[],
            %(first_at)s::timestamptz[], %(unfollowed)s::bigint[])
    AS seen (node_id, boot, settled_to, first_at, unfollowed)
ORDER BY node_id, boot
ON CONFLICT (node_id, boot) DO UPDATE SET
    settled_to = greatest(gap_watch.settled_to, excluded.settled_to), looked_at = %(now)s,
    unfollowed = least(gap_watch.unfollowed + excluded.unfollowed, 9007199254740992)

-- name: open_boots
-- Which of these counts have gaps that are followed: what may still come is looked for sooner.
SELECT DISTINCT node_id, boot FROM gap
JOIN unnest(%(node_id)s::text[], %(boot)s::bigint[]) AS wanted (node_id, boot)
    USING (node_id, boot)
WHERE closed_at IS NULL

-- name: open
-- How many gaps are open.
SELECT count(*) FROM gap WHERE closed_at IS NULL

-- name: of_node
-- The gaps of a node, the open ones first, then those found last.
SELECT id, boot, lower(numbers) AS first, upper(numbers) - 1 AS last, numbers_in(missing) AS missing,
       numbers_in(gone) AS gone, after_at, before_at, found_at, asked_at, attempts, closed_at, how,
       recounted
FROM gap WHERE node_id = %(node_id)s
ORDER BY closed_at IS NOT NULL, found_at DESC, id DESC LIMIT %(limit)s

-- name: counts_of_node
-- The counts of a node, the latest first.
SELECT boot, settled_to, first_at, looked_at, unfollowed FROM gap_watch
WHERE node_id = %(node_id)s ORDER BY first_at DESC, boot LIMIT %(limit)s

-- name: prune
-- What came after all says nothing for long; what was lost is kept for a year.
DELETE FROM gap WHERE closed_at < CASE how WHEN 'came' THEN %(came_before)s::timestamptz
                                           ELSE %(lost_before)s::timestamptz END

-- name: prune_counts
-- Counts nothing was heard of for so long that their messages are forgotten too.
DELETE FROM gap_watch WHERE looked_at < %(before)s
