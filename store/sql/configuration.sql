-- name: read
-- What a node is to be set to, beside what it said it is set to.
SELECT node_id, revision, wanted, changed_at, changed_by, published_revision, published_at,
       dev_until, reported_revision, applied, errors, reported_at
FROM node_config WHERE node_id = %(node_id)s

-- name: hold
-- The node's configuration, held until the transaction ends; made where there was none.
INSERT INTO node_config (node_id) VALUES (%(node_id)s)
ON CONFLICT (node_id) DO UPDATE SET node_id = excluded.node_id
RETURNING node_id, revision, wanted, changed_at, changed_by, published_revision, published_at,
          dev_until, reported_revision, applied, errors, reported_at

-- name: want
-- The next revision, higher than any the device ever told of.
UPDATE node_config SET wanted = %(wanted)s, changed_at = %(now)s, changed_by = %(by)s,
    revision = 1 + greatest(revision, least(coalesce(reported_revision, 0), %(highest)s))
WHERE node_id = %(node_id)s

-- name: developer_until
-- How long developer mode holds; NULL ends it.
UPDATE node_config SET dev_until = %(until)s WHERE node_id = %(node_id)s

-- name: end_developer_mode
-- Nobody forgets a chatty device: the day is over, the setting goes by itself.
UPDATE node_config SET wanted = wanted - 'dev', dev_until = NULL, changed_at = %(now)s,
    changed_by = 'hub', revision = revision + 1
WHERE node_id IN (SELECT node_id FROM node_config WHERE dev_until <= %(now)s
                  FOR UPDATE SKIP LOCKED)
RETURNING node_id

-- name: overtake
-- The device holds a newer revision than we ever made (our database is an older copy): ours must
-- be higher still, or the device ignores it from now on.
UPDATE node_config SET revision = reported_revision + 1
WHERE node_id IN (SELECT node_id FROM node_config
                  WHERE revision > 0 AND reported_revision > revision
                    AND reported_revision < %(highest)s
                  FOR UPDATE SKIP LOCKED)
RETURNING node_id

-- name: waiting
-- Configurations the broker does not have yet.
SELECT c.node_id, c.revision, c.wanted
FROM node_config c JOIN node ON node.id = c.node_id AND node.revoked_at IS NULL
WHERE c.published_revision < c.revision AND c.node_id <> ALL(%(resting)s)
ORDER BY c.changed_at LIMIT %(limit)s

-- name: current
-- Every configuration that should be retained at the broker, from a node on.
SELECT c.node_id, c.revision, c.wanted
FROM node_config c JOIN node ON node.id = c.node_id AND node.revoked_at IS NULL
WHERE c.revision > 0 AND c.node_id > %(after)s
ORDER BY c.node_id LIMIT %(limit)s

-- name: handed_over
-- The broker has it; a newer revision made meanwhile still waits.
UPDATE node_config SET published_revision = %(revision)s, published_at = %(now)s
WHERE node_id = %(node_id)s AND published_revision < %(revision)s
