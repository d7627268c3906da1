-- name: withdraw_unwanted
-- What a node no longer rings for: stopped items, times that moved. Past windows stay.
WITH wanted AS (
    SELECT * FROM unnest(%(ids)s::text[], %(due)s::timestamptz[]) AS w (id, due_at)
), gone AS (
    UPDATE dose SET state = 'withdrawn', state_at = %(now)s, by = 'hub', why = 'plan_changed',
                    recorded_at = %(now)s
    WHERE node_id = %(node_id)s AND window_to > %(now)s
      AND state IN ('scheduled', 'received', 'shown', 'snoozed')
      AND NOT EXISTS (SELECT FROM wanted w WHERE w.id = dose.id AND w.due_at = dose.due_at)
    RETURNING id, plan_item_id, patient_id, node_id, due_at, window_from, window_to, state,
              state_at, by, why
)
SELECT * FROM gone ORDER BY id

-- name: put
-- One row a dose, whatever how often its plan is expanded; a dose that moved takes its new place.
INSERT INTO dose (id, plan_item_id, patient_id, node_id, due_at, window_from, window_to)
SELECT * FROM unnest(%(ids)s::text[], %(items)s::bigint[], %(patients)s::bigint[],
        %(nodes)s::text[], %(due)s::timestamptz[], %(from)s::timestamptz[], %(to)s::timestamptz[])
    AS w (id, item_id, patient_id, node_id, due_at, window_from, window_to)
WHERE NOT EXISTS (SELECT FROM dose held WHERE held.plan_item_id = w.item_id
    AND held.due_at = w.due_at AND held.id <> w.id AND held.state <> 'withdrawn')
ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at, window_from = excluded.window_from,
    window_to = excluded.window_to, state = 'scheduled', state_at = NULL, by = NULL, why = NULL,
    recorded_at = NULL
WHERE dose.state = 'withdrawn'

-- name: to_ring
-- What a node still has to ring for, in order.
SELECT id, plan_item_id, patient_id, node_id, due_at, window_from, window_to, state, state_at,
       by, why
FROM dose
WHERE node_id = %(node_id)s AND window_to > %(now)s
  AND state IN ('scheduled', 'received', 'shown', 'snoozed')
ORDER BY due_at, id

-- name: taken_before
-- Doses taken under items that running items of this node took over from.
WITH RECURSIVE earlier AS (
    SELECT id AS item_id, replaces_id FROM plan_item
    WHERE node_id = %(node_id)s AND stopped_at IS NULL AND replaces_id IS NOT NULL
    UNION
    SELECT earlier.item_id, plan_item.replaces_id
    FROM earlier JOIN plan_item ON plan_item.id = earlier.replaces_id
    WHERE plan_item.replaces_id IS NOT NULL
)
SELECT earlier.item_id, dose.window_from, dose.window_to
FROM earlier JOIN dose ON dose.plan_item_id = earlier.replaces_id
WHERE dose.state IN ('taken', 'late_taken') AND dose.window_to > %(since)s

-- name: lock
-- One dose, held until the transaction ends.
SELECT id, plan_item_id, patient_id, node_id, due_at, window_from, window_to, state, state_at,
       by, why
FROM dose WHERE id = %(dose_id)s AND node_id = %(node_id)s FOR UPDATE

-- name: note
-- What was said of a dose, once; nothing comes back when it was said before.
INSERT INTO dose_history (dose_id, state, at, by, why, taken_over, recorded_at)
VALUES (%(dose_id)s, %(state)s, %(at)s, %(by)s, %(why)s, %(taken_over)s, %(now)s)
ON CONFLICT (dose_id, state, at, by) DO NOTHING RETURNING id

-- name: set_state
-- What became of a dose.
UPDATE dose SET state = %(state)s, state_at = %(at)s, by = %(by)s, why = %(why)s,
                recorded_at = %(now)s
WHERE id = %(dose_id)s
RETURNING id, plan_item_id, patient_id, node_id, due_at, window_from, window_to, state, state_at,
          by, why

-- name: replaced_nodes
-- Nodes whose running item took over from this dose's item and asks for the same slot.
WITH RECURSIVE later AS (
    SELECT id FROM plan_item WHERE replaces_id = %(plan_item_id)s
    UNION
    SELECT plan_item.id FROM plan_item JOIN later ON plan_item.replaces_id = later.id
)
SELECT DISTINCT dose.node_id FROM dose JOIN later ON later.id = dose.plan_item_id
WHERE dose.state IN ('scheduled', 'received', 'shown', 'snoozed')
  AND dose.window_from <= %(window_to)s AND dose.window_to >= %(window_from)s
ORDER BY dose.node_id

-- name: overdue
-- Doses nobody answered: after the grace when the device is there (or that long back again),
-- after the limit when it is away. The device itself may still tell otherwise later.
SELECT dose.id, dose.node_id,
       CASE WHEN plan.confirmed_at IS NULL THEN 'not_on_device'
            WHEN node_state.ready_since IS NULL THEN 'device_away' ELSE 'no_answer' END AS why
FROM dose LEFT JOIN node_state USING (node_id) LEFT JOIN plan USING (node_id)
WHERE dose.state IN ('scheduled', 'received', 'shown', 'snoozed')
  AND dose.window_to < %(answered_before)s
  AND (greatest(dose.window_to, node_state.ready_since) < %(answered_before)s
           AND node_state.ready_since IS NOT NULL
       OR dose.window_to < %(given_up_before)s)
ORDER BY dose.window_to, dose.id LIMIT %(limit)s

-- name: of_patient
-- A patient's doses due in [since, until), in order.
SELECT id, plan_item_id, patient_id, node_id, due_at, window_from, window_to, state, state_at,
       by, why
FROM dose WHERE patient_id = %(patient_id)s AND due_at >= %(since)s AND due_at < %(until)s
ORDER BY due_at, id

-- name: history_of
-- Everything that was said of a dose, in the order it became known.
SELECT state, at, by, why, taken_over, recorded_at FROM dose_history
WHERE dose_id = %(dose_id)s ORDER BY id
