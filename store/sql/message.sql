-- name: take
-- Which of these identities are new. Sorted, so that two writers cannot deadlock.
INSERT INTO message (node_id, boot, seq, kind, digest, received_at)
SELECT * FROM unnest(%(node_id)s::text[], %(boot)s::bigint[], %(seq)s::bigint[], %(kind)s::text[],
                     %(digest)s::bigint[], %(received_at)s::timestamptz[])
    AS incoming (node_id, boot, seq, kind, digest, received_at)
ORDER BY node_id, boot, seq
ON CONFLICT DO NOTHING
RETURNING node_id, boot, seq

-- name: digests
-- What was said the first time under these identities.
SELECT node_id, boot, seq, digest FROM message
JOIN unnest(%(node_id)s::text[], %(boot)s::bigint[], %(seq)s::bigint[])
    AS known (node_id, boot, seq) USING (node_id, boot, seq)

-- name: ranges
-- Everything taken of these boots, as unbroken ranges.
SELECT node_id, boot, min(seq), max(seq)
FROM (SELECT node_id, boot, seq,
             seq - row_number() OVER (PARTITION BY node_id, boot ORDER BY seq) AS island
      FROM message
      JOIN unnest(%(node_id)s::text[], %(boot)s::bigint[]) AS wanted (node_id, boot)
          USING (node_id, boot)) AS numbered
GROUP BY node_id, boot, island
ORDER BY node_id, boot, min(seq)

-- name: prune
-- Identities older than any device keeps a message.
DELETE FROM message WHERE received_at < %(before)s
