-- name: take
-- Which of these identities are new. Sorted, so that two writers cannot deadlock.
INSERT INTO message (node_id, boot, seq, kind, digest, received_at)
SELECT * FROM unnest(%(node_id)b::text[], %(boot)b::bigint[], %(seq)b::bigint[], %(kind)b::text[],
                     %(digest)b::bigint[], %(received_at)b::timestamptz[])
    AS incoming (node_id, boot, seq, kind, digest, received_at)
ORDER BY node_id, boot, seq
ON CONFLICT DO NOTHING
RETURNING node_id, boot, seq

-- name: copy
-- Messages that were never seen.
COPY message (node_id, kind, boot, seq, digest, received_at) FROM STDIN (FORMAT BINARY)

-- name: digests
-- What was said the first time under these identities.
SELECT node_id, boot, seq, digest FROM message
JOIN unnest(%(node_id)s::text[], %(boot)s::bigint[], %(seq)s::bigint[])
    AS known (node_id, boot, seq) USING (node_id, boot, seq)

-- name: one_at_a_time
-- Two that forget would wait for each other.
SELECT pg_advisory_xact_lock(4851007)

-- name: forget_boots
-- A node counts from the beginning in a boot it used before: its earlier numbers say nothing now.
DELETE FROM message
USING unnest(%(node_id)s::text[], %(boot)s::bigint[]) AS again (node_id, boot)
WHERE message.node_id = again.node_id AND message.boot = again.boot
  AND NOT EXISTS (
      SELECT FROM unnest(%(kept_node)s::text[], %(kept_boot)s::bigint[], %(kept_seq)s::bigint[])
          AS kept (node_id, boot, seq)
      WHERE (kept.node_id, kept.boot, kept.seq) = (message.node_id, message.boot, message.seq))

-- name: taken_now
-- Messages of which nothing could be taken before, and something was now.
UPDATE message SET digest = now.digest
FROM unnest(%(node_id)s::text[], %(boot)s::bigint[], %(seq)s::bigint[], %(digest)s::bigint[])
    AS now (node_id, boot, seq, digest)
WHERE (message.node_id, message.boot, message.seq) = (now.node_id, now.boot, now.seq)

-- name: ranges
-- Everything taken of these boots, as unbroken ranges; of very many the first and the latest.
SELECT node_id, boot, low, high
FROM (SELECT node_id, boot, min(seq) AS low, max(seq) AS high,
             row_number() OVER (PARTITION BY node_id, boot ORDER BY island) AS nth,
             row_number() OVER (PARTITION BY node_id, boot ORDER BY island DESC) AS nth_latest
      FROM (SELECT node_id, boot, seq,
                   seq - row_number() OVER (PARTITION BY node_id, boot ORDER BY seq) AS island
            FROM message
            JOIN unnest(%(node_id)s::text[], %(boot)s::bigint[]) AS wanted (node_id, boot)
                USING (node_id, boot)) AS numbered
      GROUP BY node_id, boot, island) AS islands
WHERE nth = 1 OR nth_latest <= %(most)s
ORDER BY node_id, boot, low
