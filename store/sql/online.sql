-- name: state
-- Whether an index is there and whole: NULL, false or true.
SELECT (SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(quote_ident(%(name)s)))

-- name: way
-- How the table is built upon: by partitions, by chunks, or plainly.
SELECT CASE WHEN relkind = 'p' THEN 'partitions'
            WHEN series_engine() = 'timescaledb' AND relname IN ('reading', 'block') THEN 'chunks'
            ELSE 'plain' END
FROM pg_class WHERE oid = to_regclass(quote_ident(%(table)s))

-- name: lacking
-- A partition of the table without a part of this index.
SELECT child.relname
FROM pg_inherits AS of_table
JOIN pg_class AS child ON child.oid = of_table.inhrelid
WHERE of_table.inhparent = to_regclass(quote_ident(%(table)s)) AND NOT of_table.inhdetachpending
  AND NOT EXISTS (SELECT FROM pg_index
                  JOIN pg_inherits AS of_index ON of_index.inhrelid = indexrelid
                  WHERE indrelid = child.oid
                    AND of_index.inhparent = to_regclass(quote_ident(%(name)s)))
ORDER BY child.relname DESC LIMIT 1

-- name: briefly
-- Rather not now than make writers wait behind us; the work itself may last.
SELECT set_config('lock_timeout', '500ms', false), set_config('statement_timeout', '0', false)

-- name: patiently
-- Nobody waits behind a build that is concurrent, so it may wait for others as long as it takes.
SELECT set_config('lock_timeout', '0', false), set_config('statement_timeout', '0', false)
