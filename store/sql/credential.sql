-- name: set_password
-- A node's password hash in the broker's format; the broker's file follows this table.
INSERT INTO node_credential (node_id, password_hash, changed_at)
VALUES (%(node_id)s, %(password_hash)s, %(now)s)
ON CONFLICT (node_id) DO UPDATE
SET password_hash = excluded.password_hash, changed_at = excluded.changed_at, revoked_at = NULL

-- name: revoke
-- The node may not connect any more.
UPDATE node_credential SET revoked_at = %(now)s WHERE node_id = %(node_id)s AND revoked_at IS NULL

-- name: live
-- Every node that may connect, for the broker's password file.
SELECT node_id, password_hash FROM node_credential WHERE revoked_at IS NULL ORDER BY node_id

-- name: has_password
-- Whether a node may connect with a password.
SELECT EXISTS (SELECT FROM node_credential WHERE node_id = %(node_id)s AND revoked_at IS NULL)

-- name: revision
-- Which change of the credentials is wanted, and which one the broker has taken over.
SELECT wanted, applied FROM credential_revision

-- name: note_applied
-- The broker has taken over everything up to this change.
UPDATE credential_revision
SET applied = greatest(applied, %(revision)s), applied_at = %(now)s
