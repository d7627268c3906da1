-- name: due
-- Nodes whose plan was edited, or covers too little: time for the next revision.
SELECT plan.node_id FROM plan JOIN node ON node.id = plan.node_id AND node.revoked_at IS NULL
WHERE (plan.published_edit < plan.edit OR plan.body IS NULL
   OR (plan.holds_until < %(renew_before)s
       AND EXISTS (SELECT FROM plan_item i
                   WHERE i.node_id = plan.node_id AND i.stopped_at IS NULL)))
  AND plan.node_id <> ALL(%(resting)s)
ORDER BY plan.edited_at LIMIT %(limit)s

-- name: lock
-- A node's plan, held until the transaction ends: an edit waits, or is in.
SELECT edit, published_edit, revision, edit_revision FROM plan
WHERE node_id = %(node_id)s FOR UPDATE

-- name: save
-- The next revision, complete before it is sent: sent again after a crash it is the same.
UPDATE plan SET revision = %(revision)s, edit_revision = %(edit_revision)s,
    published_edit = %(edit)s, body = %(body)s, holds_until = %(holds_until)s, published_at = NULL
WHERE node_id = %(node_id)s

-- name: waiting
-- Revisions that wait to be handed to the broker.
SELECT plan.node_id, plan.revision, plan.body, plan.holds_until
FROM plan JOIN node ON node.id = plan.node_id AND node.revoked_at IS NULL
WHERE plan.published_at IS NULL AND plan.body IS NOT NULL AND plan.holds_until > %(now)s
  AND plan.node_id <> ALL(%(resting)s)
ORDER BY plan.edited_at LIMIT %(limit)s

-- name: current
-- Every plan that should be retained at the broker, from a node on.
SELECT plan.node_id, plan.revision, plan.body, plan.holds_until
FROM plan JOIN node ON node.id = plan.node_id AND node.revoked_at IS NULL
WHERE plan.body IS NOT NULL AND plan.holds_until > %(now)s AND plan.node_id > %(after)s
ORDER BY plan.node_id LIMIT %(limit)s

-- name: handed_over
-- The broker has it; a newer revision made meanwhile still waits.
UPDATE plan SET published_at = %(now)s
WHERE node_id = %(node_id)s AND revision = %(revision)s AND published_at IS NULL

-- name: confirm
-- The device says it has stored a revision. Confirmed never goes back by this road.
UPDATE plan SET confirmed_revision = %(revision)s, confirmed_at = %(at)s,
    confirmed_until = CASE WHEN revision = %(revision)s THEN holds_until ELSE confirmed_until END
WHERE node_id = %(node_id)s AND %(revision)s <= revision
  AND coalesce(confirmed_revision, 0) < %(revision)s

-- name: lost
-- The device still holds an older revision than it once confirmed, although it was sent again:
-- it lost its memory. One report alone may be an old retained state read again.
UPDATE plan SET confirmed_revision = %(revision)s, confirmed_at = %(at)s
WHERE node_id = %(node_id)s AND confirmed_revision > %(revision)s
  AND published_at > confirmed_at AND published_at < %(said_before)s

-- name: send_again
-- The device holds an older revision than the broker was handed some time ago.
UPDATE plan SET published_at = NULL
WHERE node_id = %(node_id)s AND revision > %(revision)s AND published_at < %(said_before)s

-- name: overtake
-- The device holds a newer revision than we ever made (our database is an older copy): the next
-- one must be higher still, or the device ignores every plan from now on.
UPDATE plan SET revision = %(revision)s, body = NULL
WHERE node_id = %(node_id)s AND revision < %(revision)s

-- name: revise
-- Makes downlink compose the next revision although no person edited anything.
UPDATE plan SET body = NULL WHERE node_id = %(node_id)s

-- name: zones
-- The zone of each patient's area, then the patient's own from their days on.
SELECT patient.id AS patient_id, NULL::timestamptz AS since, area.time_zone
FROM patient JOIN area ON area.id = patient.area_id WHERE patient.id = ANY(%(patients)s)
UNION ALL
SELECT patient_id, since, time_zone FROM patient_time_zone
WHERE patient_id = ANY(%(patients)s)
ORDER BY 1, 2 NULLS FIRST

-- name: left_lately
-- Nodes that left the hub: nothing of them may stay retained.
SELECT id FROM node WHERE revoked_at > %(since)s

-- name: only_one
-- Waits until no other downlink works on this database; ends with the connection.
SELECT pg_advisory_lock(4851004)
