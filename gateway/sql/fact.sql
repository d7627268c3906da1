-- name: begin
-- Take the write lock at once: there is no second writer to wait for.
BEGIN IMMEDIATE

-- name: commit
-- On disk when it returns (synchronous = FULL).
COMMIT

-- name: get
-- A named value.
SELECT value FROM fact WHERE name = :name

-- name: set
-- Remember a named value.
INSERT INTO fact (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
