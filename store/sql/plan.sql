-- name: slot
-- Whom this node measures now: the slot of the patient, and how many others there are.
SELECT max(b.who) FILTER (WHERE b.patient_id = %(patient_id)s) AS who,
       count(*) FILTER (WHERE b.patient_id = %(patient_id)s) AS own,
       count(DISTINCT b.patient_id) FILTER (WHERE b.patient_id <> %(patient_id)s) AS others
FROM device_binding b JOIN device d ON d.id = b.device_id
WHERE d.node_id = %(node_id)s AND b.during @> %(now)s::timestamptz

-- name: same_household
-- A node without a device of the patient's own may still ring in the patient's home.
SELECT EXISTS (SELECT FROM node JOIN patient USING (household_id)
               WHERE node.id = %(node_id)s AND patient.id = %(patient_id)s)

-- name: others_in_plan
-- Other people this node already rings for.
SELECT count(DISTINCT patient_id) FROM plan_item
WHERE node_id = %(node_id)s AND patient_id <> %(patient_id)s AND stopped_at IS NULL

-- name: doses_a_day
-- How often a node rings on its fullest day, so that its plan stays one message.
SELECT coalesce(sum(cardinality(times)), 0) FROM plan_item
WHERE node_id = %(node_id)s AND stopped_at IS NULL

-- name: add
-- One item of a plan.
INSERT INTO plan_item (patient_id, node_id, who, kind, drug, dose_text, text_zh, text_en, times,
    weekdays, starts_on, ends_on, window_before_s, window_after_s, snooze_s, snooze_max,
    created_by, created_at, replaces_id)
VALUES (%(patient_id)s, %(node_id)s, %(who)s, %(kind)s, %(drug)s, %(dose_text)s, %(text_zh)s,
    %(text_en)s, %(times)s, %(weekdays)s, %(starts_on)s, %(ends_on)s, %(window_before_s)s,
    %(window_after_s)s, %(snooze_s)s, %(snooze_max)s, %(staff_id)s, %(now)s, %(replaces_id)s)
RETURNING id

-- name: stop
-- Stopped once; nothing comes back for an item that was stopped before.
UPDATE plan_item SET stopped_at = %(now)s, stopped_by = %(staff_id)s
WHERE id = %(item_id)s AND stopped_at IS NULL
RETURNING node_id

-- name: edited
-- An edit is a wish: downlink turns it into the next revision.
INSERT INTO plan (node_id, edited_at) VALUES (%(node_id)s, %(now)s)
ON CONFLICT (node_id) DO UPDATE SET edit = plan.edit + 1, edited_at = excluded.edited_at

-- name: nodes_of
-- The nodes that ring for a patient, in order, so that two edits never deadlock.
SELECT DISTINCT node_id FROM plan_item
WHERE patient_id = %(patient_id)s AND stopped_at IS NULL ORDER BY node_id

-- name: items_of
-- A patient's items, the running ones first, the newest first.
SELECT id, patient_id, node_id, who, kind, drug, dose_text, text_zh, text_en, times, weekdays,
       starts_on, ends_on, window_before_s, window_after_s, snooze_s, snooze_max, created_by,
       replaces_id, created_at, stopped_at, stopped_by
FROM plan_item WHERE patient_id = %(patient_id)s
ORDER BY stopped_at IS NOT NULL, coalesce(stopped_at, created_at) DESC, id DESC

-- name: item
-- One item.
SELECT id, patient_id, node_id, who, kind, drug, dose_text, text_zh, text_en, times, weekdays,
       starts_on, ends_on, window_before_s, window_after_s, snooze_s, snooze_max, created_by,
       replaces_id, created_at, stopped_at, stopped_by
FROM plan_item WHERE id = %(item_id)s

-- name: active_items
-- What a node rings for: running items of patients who are still cared for.
SELECT i.id, i.patient_id, i.node_id, i.who, i.kind, i.drug, i.dose_text, i.text_zh, i.text_en,
       i.times, i.weekdays, i.starts_on, i.ends_on, i.window_before_s, i.window_after_s,
       i.snooze_s, i.snooze_max, i.created_by, i.replaces_id, i.created_at, i.stopped_at,
       i.stopped_by
FROM plan_item i JOIN patient p ON p.id = i.patient_id
WHERE i.node_id = %(node_id)s AND i.stopped_at IS NULL AND p.archived_at IS NULL ORDER BY i.id

-- name: status
-- What was edited, what was published, what the device says it has.
SELECT node_id, edited_at, edit, published_edit, edit_revision, revision, published_at,
       holds_until, confirmed_revision, confirmed_at, confirmed_until
FROM plan WHERE node_id = %(node_id)s

-- name: status_of_patient
-- The plans of every node that rings, or rang, for a patient.
SELECT node_id, edited_at, edit, published_edit, edit_revision, revision, published_at,
       holds_until, confirmed_revision, confirmed_at, confirmed_until
FROM plan
WHERE node_id IN (SELECT node_id FROM plan_item WHERE patient_id = %(patient_id)s)
ORDER BY node_id

-- name: unconfirmed
-- Edits a person made that the device has not confirmed in time: somebody must telephone.
SELECT plan.node_id, plan.edited_at, plan.edit, plan.published_edit, plan.edit_revision,
       plan.revision, plan.published_at, plan.holds_until, plan.confirmed_revision,
       plan.confirmed_at, plan.confirmed_until
FROM plan JOIN node ON node.id = plan.node_id AND node.revoked_at IS NULL
WHERE plan.edited_at < %(edited_before)s
  AND (plan.published_edit < plan.edit
       OR coalesce(plan.confirmed_revision, 0) < plan.edit_revision)
ORDER BY plan.edited_at

-- name: running_out
-- Devices whose plan ends soon although its items do not: a technical alarm. A plan that no
-- device has taken over yet is an unconfirmed edit instead.
SELECT plan.node_id, plan.confirmed_until AS device_holds_until, plan.holds_until
FROM plan JOIN node ON node.id = plan.node_id AND node.revoked_at IS NULL
WHERE (plan.confirmed_until < %(until)s OR plan.holds_until < %(until)s)
  AND EXISTS (SELECT FROM plan_item i JOIN patient p ON p.id = i.patient_id
              WHERE i.node_id = plan.node_id AND i.stopped_at IS NULL AND p.archived_at IS NULL
                AND (i.ends_on IS NULL OR i.ends_on >= (%(now)s::timestamptz)::date))
ORDER BY plan.confirmed_until
