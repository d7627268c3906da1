-- name: open
-- Somebody signed in. The token itself is never stored.
INSERT INTO sign_in_session (token_sha256, staff_id, created_at, last_seen_at, expires_at, address)
VALUES (%(digest)s, %(staff_id)s, %(now)s, %(now)s, %(expires_at)s, %(address)s)

-- name: holder
-- Whose session this is, while it lasts.
SELECT staff.id AS staff_id, staff.user_name, staff.display_name, staff.role, staff.locale,
       session.last_seen_at
FROM sign_in_session AS session JOIN staff ON staff.id = session.staff_id
WHERE session.token_sha256 = %(digest)s AND session.ended_at IS NULL
  AND session.expires_at > %(now)s AND session.last_seen_at > %(idle_since)s
  AND staff.disabled_at IS NULL

-- name: touch
-- The session was used; never moved back.
UPDATE sign_in_session SET last_seen_at = greatest(last_seen_at, %(now)s)
WHERE token_sha256 = %(digest)s

-- name: end
-- Signed out.
UPDATE sign_in_session SET ended_at = %(now)s
WHERE token_sha256 = %(digest)s AND ended_at IS NULL

-- name: end_all
-- Every session of a person ends: a new password, or they left.
UPDATE sign_in_session SET ended_at = %(now)s WHERE staff_id = %(staff_id)s AND ended_at IS NULL

-- name: prune
-- Sessions that ended or expired a month ago.
DELETE FROM sign_in_session WHERE least(ended_at, expires_at) < %(before)s

-- name: make_token
-- A token for a program. The token itself is never stored.
INSERT INTO api_token (staff_id, token_sha256, label, created_at, expires_at)
VALUES (%(staff_id)s, %(digest)s, %(label)s, %(now)s, %(expires_at)s)
RETURNING id

-- name: token_holder
-- Whose token this is, while it is good.
SELECT staff.id AS staff_id, staff.user_name, staff.display_name, staff.role, staff.locale,
       token.last_used_at AS last_seen_at
FROM api_token AS token JOIN staff ON staff.id = token.staff_id
WHERE token.token_sha256 = %(digest)s AND token.revoked_at IS NULL
  AND (token.expires_at IS NULL OR token.expires_at > %(now)s)
  AND staff.disabled_at IS NULL

-- name: touch_token
-- The token was used.
UPDATE api_token SET last_used_at = greatest(last_used_at, %(now)s) WHERE token_sha256 = %(digest)s

-- name: revoke_tokens
-- Every token of a person stops working.
UPDATE api_token SET revoked_at = %(now)s WHERE staff_id = %(staff_id)s AND revoked_at IS NULL
