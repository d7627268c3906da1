-- name: take_over
-- A node's state, unless it is older than what is known. `con` counts connections: a will of an
-- earlier connection says nothing about this one. A node that lost its count (another boot, said
-- live) starts again.
INSERT INTO node_state (node_id, state, con, boot, battery, subs, plan_revision, state_at, seen_at)
VALUES (%(node_id)s, %(state)s, %(con)s, %(boot)s, %(battery)s, %(subs)s::jsonb,
    %(plan_revision)s, %(state_at)s, %(seen_at)s)
ON CONFLICT (node_id) DO UPDATE SET
    state = excluded.state, con = excluded.con, boot = coalesce(excluded.boot, node_state.boot),
    battery = coalesce(excluded.battery, node_state.battery),
    subs = CASE WHEN excluded.subs = '{}' THEN node_state.subs ELSE excluded.subs END,
    plan_revision = coalesce(excluded.plan_revision, node_state.plan_revision),
    state_at = excluded.state_at, seen_at = greatest(excluded.seen_at, node_state.seen_at)
WHERE excluded.con >= node_state.con
   OR (%(restarted)s AND excluded.boot IS DISTINCT FROM node_state.boot)
RETURNING node_id

-- name: touch
-- Nodes heard of, other than by their state. Whoever is being written anyway is left out.
UPDATE node_state SET seen_at = %(at)s
WHERE node_id IN (SELECT node_id FROM node_state
                  WHERE node_id = ANY(%(node_id)s) AND seen_at < %(at)s
                  FOR UPDATE SKIP LOCKED)
