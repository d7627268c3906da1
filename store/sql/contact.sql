-- name: of
-- The addresses in use of these people and of this team.
SELECT id, team_id, staff_id, channel, address, secret, shows_patient FROM contact
WHERE disabled_at IS NULL AND (staff_id = ANY(%(staff_ids)s) OR team_id = %(team_id)s)
ORDER BY id

-- name: about
-- Name and time zone of whom or what an episode is about.
SELECT patient.name AS patient_name,
       coalesce(
           (SELECT own.time_zone FROM patient_time_zone own
            WHERE own.patient_id = patient.id ORDER BY own.since DESC LIMIT 1),
           (SELECT area.time_zone FROM area WHERE area.id = patient.area_id),
           (SELECT area.time_zone FROM node JOIN area ON area.id = node.area_id
            WHERE node.id = %(node_id)s),
           'Asia/Shanghai') AS time_zone
FROM (SELECT 1) AS one LEFT JOIN patient ON patient.id = %(patient_id)s
