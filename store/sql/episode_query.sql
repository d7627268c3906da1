-- name: seen
-- Episodes that who asks may see: one of them, a patient's, those closed since then. The open
-- ones come first, then the newest.
SELECT episode.id, episode.patient_id, patient.name AS patient_name, episode.node_id,
       device.dev, episode.team_id, episode.rule, episode.rule_version, episode.subject,
       episode.priority, episode.state, episode.confirmation, episode.confirm_by, episode.late,
       episode.onset_at, episode.last_evidence_at, episode.opened_at, episode.reason,
       episode.evidence, episode.policy, episode.step, episode.round, episode.escalate_at,
       episode.acknowledged_at, acknowledger.display_name AS acknowledged_by,
       episode.acknowledged_until, episode.closed_at, closer.display_name AS closed_by,
       episode.outcome, episode.next_step, episode.note,
       coalesce((SELECT own.time_zone FROM patient_time_zone AS own
                 WHERE own.patient_id = episode.patient_id AND own.since <= episode.opened_at
                 ORDER BY own.since DESC LIMIT 1),
                area.time_zone, 'Asia/Shanghai') AS time_zone
FROM episode
LEFT JOIN patient ON patient.id = episode.patient_id
LEFT JOIN node ON node.id = episode.node_id
LEFT JOIN area ON area.id = coalesce(patient.area_id, node.area_id)
LEFT JOIN device ON device.id = episode.device_id
LEFT JOIN staff AS acknowledger ON acknowledger.id = episode.acknowledged_by
LEFT JOIN staff AS closer ON closer.id = episode.closed_by
WHERE episode.id IN (SELECT * FROM visible_episodes(%(staff_id)s))
  AND (%(episode_id)s::bigint IS NULL OR episode.id = %(episode_id)s)
  AND (%(patient_id)s::bigint IS NULL OR episode.patient_id = %(patient_id)s)
  AND (%(closed_since)s::timestamptz IS NULL OR episode.closed_at >= %(closed_since)s)
ORDER BY episode.closed_at DESC NULLS FIRST, episode.opened_at DESC, episode.id DESC
LIMIT %(limit)s

-- name: history
-- What happened to an episode, in order.
SELECT step.at, step.phase, step.actor, staff.display_name AS actor_name, step.reason, step.detail
FROM episode_history AS step LEFT JOIN staff ON step.actor = 'staff:' || staff.id
WHERE step.episode_id = %(episode_id)s ORDER BY step.id

-- name: notifications
-- Who was told of an episode, and how that went; the address and its secret stay here.
SELECT notification.id, notification.channel, notification.staff_id, staff.display_name AS to_name,
       notification.team_id, notification.reason, notification.state, notification.attempts,
       notification.created_at, notification.settled_at, notification.last_error
FROM notification LEFT JOIN staff ON staff.id = notification.staff_id
WHERE notification.episode_id = %(episode_id)s ORDER BY notification.id
