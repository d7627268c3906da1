-- name: lock
-- One maker of partitions at a time, until commit.
SELECT pg_advisory_xact_lock(4851003)

-- name: is_partitioned
-- Whether the table is cut into months; a hypertable is not.
SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(quote_ident(%(parent)s))

-- name: create
-- The statement that makes an empty month beside its parent, unless the month is there.
-- LIKE and ATTACH, because CREATE ... PARTITION OF would stop every writer of the parent.
SELECT format('CREATE TABLE %%I (LIKE %%I INCLUDING ALL)', %(name)s::text, %(parent)s::text)
WHERE to_regclass(quote_ident(%(name)s)) IS NULL

-- name: attach
-- The statement that makes it part of its parent.
SELECT format('ALTER TABLE %%I ATTACH PARTITION %%I FOR VALUES FROM (%%L) TO (%%L)',
              %(parent)s::text, %(name)s::text, %(first)s::timestamptz, %(next)s::timestamptz)

-- name: months
-- The partitions of a table, oldest first.
SELECT child.relname
FROM pg_inherits
JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = to_regclass(quote_ident(%(parent)s)) AND NOT inhdetachpending
ORDER BY child.relname

-- name: drop
-- The statement that drops one month with everything in it.
SELECT format('DROP TABLE %%I', %(name)s::text)
