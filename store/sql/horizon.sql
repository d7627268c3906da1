-- name: start
-- Where there is none yet, or somebody took it away: from here on.
INSERT INTO retention_horizon (reached) VALUES (%(reached)s) ON CONFLICT DO NOTHING

-- name: reached
-- How far it is, locked, so that two rounds do not both move it.
SELECT reached FROM retention_horizon FOR UPDATE

-- name: move
-- Forward only.
UPDATE retention_horizon SET reached = %(reached)s WHERE reached < %(reached)s
