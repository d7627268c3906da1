-- name: entries
-- What is open for a person, in the order of urgency: high that nobody acknowledged, expired
-- acknowledgements, what waits for its repeat (shown apart), medium, low, technical, and last
-- what somebody has in hand. Within a section the longest-waiting comes first.
SELECT * FROM (
    SELECT episode.id,
           CASE WHEN episode.state = 'pending' THEN 'pending'
                WHEN episode.acknowledged_until <= %(now)s THEN 'expired'
                WHEN episode.state = 'acknowledged' THEN 'in_hand'
                ELSE episode.priority END AS section,
           episode.priority, episode.state, episode.confirmation, episode.confirm_by,
           episode.late, episode.rule, episode.rule_version, episode.subject, episode.tier, episode.reason, episode.evidence,
           episode.onset_at, episode.last_evidence_at, episode.opened_at, episode.step,
           episode.round, episode.acknowledged_at, episode.acknowledged_until,
           acknowledger.display_name AS acknowledged_by,
           episode.patient_id, patient.name AS patient_name, patient.sex, patient.birth_date,
           patient.phone, coalesce(area.name, node_area.name) AS area_name,
           team.name AS team_name, episode.node_id, node.label AS node_label,
           coalesce(zone.time_zone, area.time_zone, node_area.time_zone, 'Asia/Shanghai')
               AS time_zone,
           maybe.people AS candidates
    FROM episode
    LEFT JOIN patient ON patient.id = episode.patient_id
    LEFT JOIN area ON area.id = patient.area_id
    LEFT JOIN team ON team.id = episode.team_id
    LEFT JOIN node ON node.id = episode.node_id
    LEFT JOIN area AS node_area ON node_area.id = node.area_id
    LEFT JOIN staff AS acknowledger ON acknowledger.id = episode.acknowledged_by
    LEFT JOIN LATERAL (
        SELECT time_zone FROM patient_time_zone AS own
        WHERE own.patient_id = episode.patient_id AND own.since <= %(now)s
        ORDER BY own.since DESC LIMIT 1) AS zone ON true
    -- Safety rule 5: a reading nobody owns names whom it may have been, to whoever was told.
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object(
                   'id', one.id, 'name', one.name, 'phone', one.phone)), '[]') AS people
        FROM jsonb_array_elements(episode.evidence) AS piece
        CROSS JOIN jsonb_array_elements_text(
            coalesce(piece -> 'detail' -> 'candidates', '[]')) AS candidate
        JOIN patient AS one ON one.id = candidate::bigint
        WHERE episode.patient_id IS NULL) AS maybe
    WHERE episode.state <> 'closed'
      AND episode.id IN (SELECT visible_episodes(%(staff_id)s))
      AND (%(episode_id)s::bigint IS NULL OR episode.id = %(episode_id)s)
) AS listed
ORDER BY array_position(
        ARRAY['high', 'expired', 'pending', 'medium', 'low', 'technical', 'in_hand'], section),
    opened_at, id
LIMIT %(limit)s

-- name: urgent
-- How many emergencies wait for somebody: shown on every page.
SELECT count(*) FROM episode
WHERE priority = 'high' AND state IN ('open', 'acknowledged')
  AND (state = 'open' OR acknowledged_until <= %(now)s)
  AND id IN (SELECT visible_episodes(%(staff_id)s))

-- name: patients
-- People a person may see, those with open episodes first, with their newest pressure.
SELECT patient.id, patient.name, patient.sex, patient.birth_date, area.name AS area_name,
       team.name AS team_name,
       coalesce(zone.time_zone, area.time_zone) AS time_zone,
       patient.frail, patient.target_sys, patient.target_dia,
       coalesce(team.profile, 'cn') AS profile,
       last.measured_at, last.v0 AS sys, last.v1 AS dia, last.v3 AS pulse, last.flags,
       open.priority AS open_priority, coalesce(open.episodes, 0) AS open_episodes
FROM patient
JOIN area ON area.id = patient.area_id
LEFT JOIN team ON team.id = patient.team_id
LEFT JOIN LATERAL (
    SELECT time_zone FROM patient_time_zone AS own
    WHERE own.patient_id = patient.id AND own.since <= %(now)s
    ORDER BY own.since DESC LIMIT 1) AS zone ON true
LEFT JOIN LATERAL (
    SELECT measured_at, v0, v1, v3, flags FROM reading
    WHERE reading.patient_id = patient.id AND reading.kind = 'bp'
    ORDER BY measured_at DESC LIMIT 1) AS last ON true
LEFT JOIN LATERAL (
    SELECT (array_agg(priority ORDER BY array_position(
                ARRAY['high', 'medium', 'low', 'technical'], priority)))[1] AS priority,
           count(*) AS episodes
    FROM episode WHERE episode.patient_id = patient.id AND episode.state <> 'closed'
    ) AS open ON true
WHERE patient.archived_at IS NULL
  AND patient.id IN (SELECT visible_patients(%(staff_id)s))
  AND (%(pattern)s::text IS NULL OR patient.name ILIKE %(pattern)s
       OR patient.phone ILIKE %(pattern)s OR area.name ILIKE %(pattern)s)
ORDER BY array_position(ARRAY['high', 'medium', 'low', 'technical'], open.priority) NULLS LAST,
         last.measured_at DESC NULLS LAST, patient.id
LIMIT %(limit)s OFFSET %(offset)s

-- name: rejects
-- What was refused, one line per node and defect; what no node of ours sent only for admins.
SELECT reject.node_id, max(node.label) AS node_label, reject.code, reject.path,
       count(*) AS times, min(reject.received_at) AS first_at, max(reject.received_at) AS last_at,
       (array_agg(reject.reason ORDER BY reject.id DESC))[1] AS reason,
       (array_agg(reject.got ORDER BY reject.id DESC))[1] AS got,
       (array_agg(reject.topic ORDER BY reject.id DESC))[1] AS topic
FROM reject
LEFT JOIN node ON node.id = reject.node_id
WHERE reject.received_at >= %(since)s
  AND (reject.node_id IN (SELECT visible_nodes(%(staff_id)s))
       OR (is_administrator(%(staff_id)s) AND node.id IS NULL))
GROUP BY reject.node_id, reject.code, reject.path
ORDER BY last_at DESC
LIMIT %(limit)s
