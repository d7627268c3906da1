-- name: add
-- A person who works here. Without a password hash they sign in by token only.
INSERT INTO staff (user_name, display_name, role, locale, password_hash, created_at)
VALUES (%(user_name)s, %(display_name)s, %(role)s, %(locale)s, %(password_hash)s, %(now)s)
RETURNING id, user_name, display_name, role, locale, disabled_at

-- name: find
-- One person by id.
SELECT id, user_name, display_name, role, locale, disabled_at FROM staff WHERE id = %(staff_id)s

-- name: by_user
-- One person by user name.
SELECT id, user_name, display_name, role, locale, disabled_at
FROM staff WHERE user_name = %(user_name)s

-- name: every
-- All people, also those who were disabled.
SELECT id, user_name, display_name, role, locale, disabled_at FROM staff ORDER BY id

-- name: beside
-- The people of a person's teams; everybody for an administrator.
SELECT id, user_name, display_name, role, locale, disabled_at FROM staff
WHERE is_administrator(%(staff_id)s) OR id IN (
    SELECT staff_id FROM team_member WHERE team_id IN (SELECT * FROM staff_teams(%(staff_id)s)))
ORDER BY id

-- name: password_of
-- What a sign-in is checked against; no row for somebody unknown or disabled.
SELECT id, password_hash FROM staff
WHERE user_name = %(user_name)s AND disabled_at IS NULL AND password_hash IS NOT NULL

-- name: set_password
-- A new password hash.
UPDATE staff SET password_hash = %(password_hash)s WHERE id = %(staff_id)s

-- name: disable
-- Nobody is deleted: what they did stays theirs.
UPDATE staff SET disabled_at = %(now)s WHERE id = %(staff_id)s AND disabled_at IS NULL

-- name: lock_first_start
-- Two hubs starting at once make one administrator.
SELECT pg_advisory_xact_lock(4851006)

-- name: has_administrator
-- Whether there ever was one.
SELECT EXISTS (SELECT FROM staff WHERE role = 'admin')
