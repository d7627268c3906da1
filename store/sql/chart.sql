-- name: patient
-- Who the page is about, with place, team and time zone; nothing when out of scope.
SELECT patient.id, patient.name, patient.sex, patient.birth_date, patient.phone,
       patient.conditions, patient.frail, patient.target_sys, patient.target_dia,
       patient.area_id, area.name AS area_name, parent.name AS parent_area_name,
       patient.team_id, team.name AS team_name, coalesce(team.profile, 'cn') AS profile,
       patient.household_id, patient.archived_at,
       coalesce(zone.time_zone, area.time_zone) AS time_zone
FROM patient
JOIN area ON area.id = patient.area_id
LEFT JOIN area AS parent ON parent.id = area.parent_id
LEFT JOIN team ON team.id = patient.team_id
LEFT JOIN LATERAL (
    SELECT time_zone FROM patient_time_zone AS own
    WHERE own.patient_id = patient.id AND own.since <= %(now)s
    ORDER BY own.since DESC LIMIT 1) AS zone ON true
WHERE patient.id = %(patient_id)s AND patient.id IN (SELECT visible_patients(%(staff_id)s))

-- name: pressures
-- Blood pressures of a time span, newest first, each with what speaks about its quality.
SELECT reading.device_id, reading.ordinal, reading.measured_at, reading.received_at,
       reading.claimed_at, reading.v0 AS sys, reading.v1 AS dia, reading.v3 AS pulse,
       reading.flags, reading.clock::text AS clock, reading.who, reading.session_id,
       reading.context, device.model,
       EXISTS (SELECT FROM reading_conflict AS other
               WHERE other.device_id = reading.device_id AND other.kind = reading.kind
                 AND other.measured_at = reading.measured_at
                 AND other.ordinal = reading.ordinal) AS conflict,
       EXISTS (SELECT FROM reading_history AS before
               WHERE before.device_id = reading.device_id AND before.kind = reading.kind
                 AND before.measured_at = reading.measured_at
                 AND before.ordinal = reading.ordinal AND before.reason = 'corrected')
           AS corrected
FROM reading
LEFT JOIN device ON device.id = reading.device_id
WHERE reading.patient_id = %(patient_id)s AND reading.kind = 'bp'
  AND reading.measured_at >= %(since)s AND reading.measured_at < %(until)s
ORDER BY reading.measured_at DESC, reading.ordinal DESC, reading.device_id
LIMIT %(limit)s

-- name: doses
-- Every dose due in a time span with what became of it, oldest first.
SELECT dose.id, dose.plan_item_id, plan_item.drug, dose.due_at, dose.window_from, dose.window_to,
       dose.state,
       dose.state_at, dose.by, dose.why
FROM dose JOIN plan_item ON plan_item.id = dose.plan_item_id
WHERE dose.patient_id = %(patient_id)s AND plan_item.kind = 'med'
  AND dose.due_at >= %(since)s AND dose.due_at < %(until)s AND dose.state <> 'withdrawn'
ORDER BY dose.due_at, dose.id
LIMIT %(limit)s

-- name: episodes
-- A patient's episodes, the open ones first, then the newest.
SELECT episode.id, episode.priority, episode.state, episode.confirmation, episode.late,
       episode.rule, episode.rule_version, episode.reason, episode.evidence, episode.tier,
       episode.onset_at, episode.last_evidence_at, episode.opened_at,
       episode.acknowledged_at, acknowledger.display_name AS acknowledged_by,
       episode.closed_at, closer.display_name AS closed_by, episode.outcome, episode.next_step,
       episode.note
FROM episode
LEFT JOIN staff AS acknowledger ON acknowledger.id = episode.acknowledged_by
LEFT JOIN staff AS closer ON closer.id = episode.closed_by
WHERE episode.patient_id = %(patient_id)s
  AND episode.id IN (SELECT visible_episodes(%(staff_id)s))
ORDER BY (episode.state = 'closed'), episode.opened_at DESC, episode.id DESC
LIMIT %(limit)s

-- name: history
-- What happened to these episodes, in order, with the names of the people who acted.
SELECT step.episode_id, step.at, step.phase, step.actor, step.reason, step.detail,
       staff.display_name AS actor_name
FROM episode_history AS step
LEFT JOIN staff ON step.actor = 'staff:' || staff.id
WHERE step.episode_id = ANY(%(episode_ids)s)
ORDER BY step.episode_id, step.id

-- name: devices
-- The devices that measure a patient now, and the nodes of the household, with their state.
SELECT node.id AS node_id, node.label AS node_label, node.model AS node_model,
       device.id AS device_id, device.dev, device.type, device.maker, device.model,
       device_binding.who, node_state.state, node_state.battery, node_state.seen_at,
       node_state.subs, node_state.plan_revision
FROM node
LEFT JOIN device_binding ON device_binding.patient_id = %(patient_id)s
    AND device_binding.during @> %(now)s
    AND device_binding.device_id IN (SELECT id FROM device WHERE device.node_id = node.id)
LEFT JOIN device ON device.id = device_binding.device_id
LEFT JOIN node_state ON node_state.node_id = node.id
WHERE node.revoked_at IS NULL
  AND (device_binding.id IS NOT NULL
       OR node.household_id = (SELECT household_id FROM patient WHERE id = %(patient_id)s))
ORDER BY node.id, device.dev
