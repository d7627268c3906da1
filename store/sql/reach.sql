-- name: rungs
-- Teams that could be told, the nearest first, each with the people of its steps in order.
-- A team without people keeps one line with no staff, so that it still owns the episode.
WITH RECURSIVE place AS (
    -- Where the node stands; without a node, where the patient lives.
    SELECT coalesce(
        (SELECT area_id FROM node WHERE id = %(node_id)s),
        (SELECT area_id FROM patient WHERE id = %(patient_id)s)) AS area_id
), upward AS (
    SELECT area.id, area.parent_id, area.duty_team_id, 0 AS distance
    FROM area JOIN place ON place.area_id = area.id
    UNION ALL
    SELECT area.id, area.parent_id, area.duty_team_id, upward.distance + 1
    FROM area JOIN upward ON upward.parent_id = area.id
), candidate AS (
    SELECT 'given' AS via, 0 AS nearness, 0 AS distance, %(team_id)s::bigint AS team_id
    UNION ALL
    SELECT 'patient_team', 1, 0, team_id FROM patient WHERE id = %(patient_id)s
    UNION ALL
    SELECT 'household_team', 2, 0, household.team_id
    FROM node JOIN household ON household.id = node.household_id WHERE node.id = %(node_id)s
    UNION ALL
    SELECT 'duty_team', 3, distance, duty_team_id FROM upward
    UNION ALL
    SELECT 'area_team', 4, upward.distance, team.id
    FROM upward JOIN team ON team.area_id = upward.id
)
SELECT candidate.via, team.id AS team_id, team.escalate_after_s, steps.staff
FROM candidate
JOIN team ON team.id = candidate.team_id
LEFT JOIN LATERAL (
    SELECT team_member.step, array_agg(staff.id ORDER BY staff.id) AS staff
    FROM team_member
    JOIN staff ON staff.id = team_member.staff_id AND staff.disabled_at IS NULL
    WHERE team_member.team_id = team.id
    GROUP BY team_member.step) AS steps ON true
ORDER BY candidate.nearness, candidate.distance, team.id, steps.step

-- name: administrators
-- When no team has anybody: everybody who looks after the hub.
SELECT id FROM staff WHERE role = 'admin' AND disabled_at IS NULL ORDER BY id
