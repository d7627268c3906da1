-- name: add
-- A gateway or robot that may publish.
INSERT INTO node (id, area_id, household_id, label, created_at)
VALUES (%(node_id)s, %(area_id)s, %(household_id)s, %(label)s, %(now)s)

-- name: find
-- One node with its last known state, whoever asks; for the administration.
SELECT node.id, node.area_id, node.household_id, node.label, node.maker, node.model, node.firmware,
       node.birth_at, node.created_at, node.revoked_at,
       CASE WHEN node.revoked_at IS NULL THEN node_state.state ELSE 'revoked' END AS state,
       node_state.seen_at, node_state.plan_revision
FROM node LEFT JOIN node_state ON node_state.node_id = node.id
WHERE node.id = %(node_id)s

-- name: find_visible
-- One node, if in the scope of who asks.
SELECT node.id, node.area_id, node.household_id, node.label, node.maker, node.model, node.firmware,
       node.birth_at, node.created_at, node.revoked_at,
       CASE WHEN node.revoked_at IS NULL THEN node_state.state ELSE 'revoked' END AS state,
       node_state.seen_at, node_state.plan_revision
FROM node LEFT JOIN node_state ON node_state.node_id = node.id
WHERE node.id = %(node_id)s AND node.id IN (SELECT * FROM visible_nodes(%(staff_id)s))

-- name: every
-- All nodes; for the administration.
SELECT node.id, node.area_id, node.household_id, node.label, node.maker, node.model, node.firmware,
       node.birth_at, node.created_at, node.revoked_at,
       CASE WHEN node.revoked_at IS NULL THEN node_state.state ELSE 'revoked' END AS state,
       node_state.seen_at, node_state.plan_revision
FROM node LEFT JOIN node_state ON node_state.node_id = node.id
ORDER BY node.created_at, node.id

-- name: visible
-- The nodes in the scope of who asks.
SELECT node.id, node.area_id, node.household_id, node.label, node.maker, node.model, node.firmware,
       node.birth_at, node.created_at, node.revoked_at,
       CASE WHEN node.revoked_at IS NULL THEN node_state.state ELSE 'revoked' END AS state,
       node_state.seen_at, node_state.plan_revision
FROM node LEFT JOIN node_state ON node_state.node_id = node.id
WHERE node.id IN (SELECT * FROM visible_nodes(%(staff_id)s))
ORDER BY node.created_at, node.id

-- name: revoke
-- The node is out of service; nothing of its history goes away.
UPDATE node SET revoked_at = %(now)s WHERE id = %(node_id)s AND revoked_at IS NULL
