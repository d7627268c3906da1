-- name: find
-- One episode.
SELECT e.* FROM episode e WHERE e.id = %(episode_id)s

-- name: find_locked
-- One episode, locked: people and the engine change it one after the other.
SELECT e.* FROM episode e WHERE e.id = %(episode_id)s FOR UPDATE

-- name: of_subjects
-- What is open for these people and devices, and what was closed with evidence since; locked.
SELECT e.* FROM episode e
WHERE e.rule = ANY(%(rules)s)
  AND (e.patient_id = ANY(%(patients)s::bigint[])
       OR (e.patient_id IS NULL AND e.device_id = ANY(%(devices)s::bigint[])))
  AND (e.state <> 'closed' OR e.last_evidence_at >= CASE
        WHEN e.patient_id IS NULL THEN
            (%(devices_since)s::timestamptz[])[array_position(%(devices)s, e.device_id)]
        ELSE (%(patients_since)s::timestamptz[])[array_position(%(patients)s, e.patient_id)] END)
ORDER BY e.id
FOR UPDATE

-- name: of_rule
-- A rule's episodes that are open or were closed lately; locked.
SELECT e.* FROM episode e
WHERE e.rule = %(rule)s
  AND (%(subjects)s::text[] IS NULL OR e.subject = ANY(%(subjects)s))
  AND (e.state <> 'closed' OR e.closed_at >= %(closed_since)s)
ORDER BY e.id
FOR UPDATE

-- name: resting_on
-- Open episodes that name one of these pieces of evidence.
SELECT e.* FROM episode e
WHERE e.state <> 'closed'
  AND EXISTS (SELECT FROM unnest(%(keys)s::text[]) AS wanted (key)
              WHERE e.evidence @> jsonb_build_array(jsonb_build_object('key', wanted.key)))
ORDER BY e.id

-- name: due_confirmation
-- Waiting for a repeat that has not come in time (safety rule 6).
SELECT e.* FROM episode e
WHERE e.confirm_by <= %(now)s AND e.state <> 'closed'
ORDER BY e.id LIMIT %(limit)s
FOR UPDATE SKIP LOCKED

-- name: due_escalation
-- Nobody has acknowledged in time: the next step of the ladder is due.
SELECT e.* FROM episode e
WHERE e.escalate_at <= %(now)s AND e.state = 'open'
ORDER BY e.id LIMIT %(limit)s
FOR UPDATE SKIP LOCKED

-- name: due_answer
-- The last step was told and has not answered: the device is to say so (safety rule 12).
SELECT e.* FROM episode e
WHERE e.unanswered_at <= %(now)s AND e.state = 'open'
ORDER BY e.id LIMIT %(limit)s
FOR UPDATE SKIP LOCKED

-- name: due_acknowledgement
-- Acknowledged, and the time that was taken for it is over.
SELECT e.* FROM episode e
WHERE e.state = 'acknowledged' AND e.acknowledged_until <= %(now)s
ORDER BY e.id LIMIT %(limit)s
FOR UPDATE SKIP LOCKED

-- name: insert
-- A new episode; the unique index refuses a second open one.
INSERT INTO episode (
    patient_id, node_id, device_id, team_id, rule, rule_version, subject, priority, state,
    confirmation, confirm_by, late, onset_at, last_evidence_at, opened_at, reason, evidence,
    policy, step, round, tier, told_tier, covered_until, escalate_at, unanswered_at,
    acknowledged_at, acknowledged_by, acknowledged_until, closed_at, closed_by, outcome, next_step, note)
VALUES (
    %(patient_id)s, %(node_id)s, %(device_id)s, %(team_id)s, %(rule)s, %(rule_version)s,
    %(subject)s, %(priority)s, %(state)s, %(confirmation)s, %(confirm_by)s, %(late)s,
    %(onset_at)s, %(last_evidence_at)s, %(opened_at)s, %(reason)s, %(evidence)s, %(policy)s,
    %(step)s, %(round)s, %(tier)s, %(told_tier)s, %(covered_until)s, %(escalate_at)s,
    %(unanswered_at)s, %(acknowledged_at)s, %(acknowledged_by)s, %(acknowledged_until)s, %(closed_at)s,
    %(closed_by)s, %(outcome)s, %(next_step)s, %(note)s)
RETURNING id

-- name: save
-- What may change during an episode's life. Who and which rule it is about never do.
UPDATE episode SET
    node_id = %(node_id)s, device_id = %(device_id)s, team_id = %(team_id)s, rule_version =
    %(rule_version)s, priority = %(priority)s, state = %(state)s, confirmation =
    %(confirmation)s, confirm_by = %(confirm_by)s, late = %(late)s, onset_at = %(onset_at)s,
    last_evidence_at = %(last_evidence_at)s, reason = %(reason)s, evidence = %(evidence)s,
    policy = %(policy)s, step = %(step)s, round = %(round)s, tier = %(tier)s, told_tier =
    %(told_tier)s, covered_until = %(covered_until)s, escalate_at = %(escalate_at)s,
    unanswered_at = %(unanswered_at)s,
    acknowledged_at = %(acknowledged_at)s, acknowledged_by = %(acknowledged_by)s,
    acknowledged_until = %(acknowledged_until)s, closed_at = %(closed_at)s, closed_by =
    %(closed_by)s, outcome = %(outcome)s, next_step = %(next_step)s, note = %(note)s
WHERE id = %(id)s

-- name: record
-- One line of history.
INSERT INTO episode_history (episode_id, at, phase, actor, reason, detail)
VALUES (%(episode_id)s, %(at)s, %(phase)s, %(actor)s, %(reason)s, %(detail)s)

-- name: commands
-- Commands by id, where an episode asked for them.
SELECT id, episode_id, node_id, op, args, expires_at FROM command
WHERE id = ANY(%(ids)s) AND episode_id IS NOT NULL

-- name: is_visible
-- Scope, as the schema says it once.
SELECT 1 FROM visible_episodes(%(staff_id)s) AS seen (id) WHERE seen.id = %(episode_id)s
