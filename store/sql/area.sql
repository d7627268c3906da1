-- name: add
-- A place in the tree of five levels.
INSERT INTO area (parent_id, level, name, code, time_zone, created_at)
VALUES (%(parent_id)s, %(level)s, %(name)s, %(code)s, %(time_zone)s, %(now)s)
RETURNING id, parent_id, level::text, name, code, time_zone, duty_team_id

-- name: find
-- One area by its id.
SELECT id, parent_id, level::text, name, code, time_zone, duty_team_id
FROM area WHERE id = %(area_id)s

-- name: by_code
-- One area by its public code.
SELECT id, parent_id, level::text, name, code, time_zone, duty_team_id
FROM area WHERE code = %(code)s

-- name: every
-- The whole tree, parents before their children.
SELECT id, parent_id, level::text, name, code, time_zone, duty_team_id
FROM area ORDER BY area.level, id

-- name: of_staff
-- The areas a person's teams care for, and those above them, so that the tree has its root.
WITH RECURSIVE seen AS (
    SELECT id, parent_id FROM area
    WHERE is_administrator(%(staff_id)s) OR id IN (SELECT * FROM staff_areas(%(staff_id)s))
    UNION
    SELECT area.id, area.parent_id FROM area JOIN seen ON area.id = seen.parent_id)
SELECT id, parent_id, level::text, name, code, time_zone, duty_team_id
FROM area WHERE id IN (SELECT id FROM seen) ORDER BY area.level, id

-- name: may_place
-- Whether a person's teams care for the area.
SELECT is_administrator(%(staff_id)s)
    OR %(area_id)s::bigint IN (SELECT * FROM staff_areas(%(staff_id)s)) AS allowed

-- name: set_duty_team
-- The team that answers when nobody else does (safety rule 4).
UPDATE area SET duty_team_id = %(team_id)s WHERE id = %(area_id)s
