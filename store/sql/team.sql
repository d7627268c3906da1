-- name: add
-- A care team at an area; it cares for the area and everything below.
INSERT INTO team (name, area_id, profile, escalate_after_s, created_at)
VALUES (%(name)s, %(area_id)s, %(profile)s, %(escalate_after_s)s, %(now)s)
RETURNING id, name, area_id, profile, escalate_after_s

-- name: find
-- One team by its id.
SELECT id, name, area_id, profile, escalate_after_s FROM team WHERE id = %(team_id)s

-- name: every
-- All teams.
SELECT id, name, area_id, profile, escalate_after_s FROM team ORDER BY id

-- name: of_staff
-- The teams a person works in; all of them for an administrator.
SELECT id, name, area_id, profile, escalate_after_s FROM team
WHERE is_administrator(%(staff_id)s) OR id IN (SELECT * FROM staff_teams(%(staff_id)s))
ORDER BY id

-- name: put_member
-- Puts a person on the ladder of a team, or on another step of it.
INSERT INTO team_member (team_id, staff_id, step)
VALUES (%(team_id)s, %(staff_id)s, %(step)s)
ON CONFLICT (team_id, staff_id) DO UPDATE SET step = excluded.step

-- name: remove_member
-- Takes a person off a team.
DELETE FROM team_member WHERE team_id = %(team_id)s AND staff_id = %(staff_id)s

-- name: members
-- Who is on the ladder, first step first.
SELECT team_member.team_id, staff.id AS staff_id, staff.user_name, staff.display_name,
       staff.role, team_member.step
FROM team_member JOIN staff ON staff.id = team_member.staff_id
WHERE team_member.team_id = %(team_id)s AND staff.disabled_at IS NULL
ORDER BY team_member.step, staff.id

-- name: put_webhook
-- Where a team or a person is told; saying it again changes its secret and what it may show.
INSERT INTO contact (team_id, staff_id, channel, address, secret, shows_patient, created_at)
VALUES (%(team_id)s, %(staff_id)s, 'webhook', %(address)s, %(secret)s, %(shows_patient)s, %(now)s)
ON CONFLICT (team_id, staff_id, channel, address)
DO UPDATE SET secret = excluded.secret, shows_patient = excluded.shows_patient, disabled_at = NULL
RETURNING id
