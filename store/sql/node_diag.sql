-- name: keep
-- One message of diagnostics.
INSERT INTO node_diag (node_id, received_at, at, boot, metrics, log)
VALUES (%(node_id)s, %(received_at)s, %(at)s, %(boot)s, %(metrics)s::jsonb, %(log)s::jsonb)

-- name: latest
-- A node's diagnostics, newest first.
SELECT id, node_id, received_at, at, boot, metrics, log FROM node_diag
WHERE node_id = %(node_id)s AND id < %(before)s
ORDER BY id DESC LIMIT %(limit)s

-- name: prune_nodes
-- What lies behind the latest of each node; so many at once.
DELETE FROM node_diag WHERE id IN (
    SELECT old.id
    FROM unnest(%(node_id)s::text[]) AS wanted (node_id)
    CROSS JOIN LATERAL (SELECT id FROM node_diag WHERE node_diag.node_id = wanted.node_id
                        ORDER BY id DESC OFFSET %(kept)s) AS old
    LIMIT %(at_once)s)

-- name: prune_old
-- What is too old; so many at once.
DELETE FROM node_diag WHERE id IN (
    SELECT id FROM node_diag WHERE received_at < %(before)s ORDER BY id LIMIT %(at_once)s)
