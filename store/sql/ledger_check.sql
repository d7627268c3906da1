-- name: begin
-- One moment of everything, however long the comparison takes.
BEGIN ISOLATION LEVEL REPEATABLE READ

-- name: due_table
-- What the ledger says must be there. Of this session only.
CREATE TEMP TABLE ledger_due (
    node_id text COLLATE "C", what text COLLATE "C", dev text COLLATE "C", kind text COLLATE "C",
    group_boot bigint, group_seq bigint, at_ms bigint, part bigint,
    boot bigint, seq bigint, vals float8[], who text, patient_id bigint, clock text, role text,
    sent_ms bigint, taken boolean
)

-- name: fed_table
-- What the feed says is new. Of this session only.
CREATE TEMP TABLE ledger_fed (
    device_id bigint, kind text COLLATE "C", at_us bigint, ordinal bigint, batch_id bigint
)

-- name: copy_due
-- The ledger, in binary.
COPY ledger_due FROM STDIN (FORMAT BINARY)

-- name: analyse_due
-- So that the sort is planned for what is there.
ANALYZE ledger_due

-- name: due
-- The ledger by what is compared at once.
SELECT * FROM ledger_due ORDER BY node_id, what, dev, kind, group_boot, group_seq, at_ms, part

-- name: held
-- Everything these nodes have stored, in the same order. Where the time of a message came from its
-- arrival, its numbers say which it is.
WITH loose AS (
    SELECT DISTINCT node_id, boot, seq FROM ledger_due WHERE group_seq <> 0 OR group_boot <> 0
), stored AS (
    SELECT node_id, 'reading' AS what, device_id, kind, boot, seq, measured_at AS at,
           ordinal AS part, ARRAY[v0, v1, v2, v3] AS vals, who, patient_id, clock::text AS clock,
           false AS aside
    FROM reading WHERE node_id = ANY(%(nodes)s::text[])
    UNION ALL
    SELECT node_id, 'reading', device_id, kind, boot, seq, measured_at, ordinal,
           ARRAY[v0, v1, v2, v3], NULL, patient_id, '', true
    FROM reading_conflict WHERE node_id = ANY(%(nodes)s::text[])
    UNION ALL
    SELECT node_id, 'block', device_id, kind, boot, seq, start_at, part, samples::float8[], who,
           patient_id, clock::text, false
    FROM block WHERE node_id = ANY(%(nodes)s::text[])
)
SELECT s.node_id COLLATE "C" AS node_id, s.what COLLATE "C" AS what, d.dev COLLATE "C" AS dev,
       s.kind COLLATE "C" AS kind,
       CASE WHEN l.boot IS NULL THEN 0 ELSE s.boot END AS group_boot,
       CASE WHEN l.boot IS NULL THEN 0 ELSE s.seq END AS group_seq,
       CASE WHEN l.boot IS NULL THEN round(extract(epoch FROM s.at) * 1000)::bigint ELSE 0 END
           AS at_ms,
       CASE WHEN l.boot IS NULL THEN s.part ELSE 0 END AS part,
       s.boot, s.seq, s.vals, s.who, s.patient_id, s.clock, s.aside
FROM stored AS s
JOIN device AS d ON d.id = s.device_id
LEFT JOIN loose AS l ON (l.node_id, l.boot, l.seq) = (s.node_id, s.boot, s.seq)
ORDER BY 1, 2, 3, 4, 5, 6, 7, 8

-- name: refused
-- Messages that were durably refused, by their numbers where they had any.
SELECT DISTINCT node_id COLLATE "C", coalesce(boot, -1), coalesce(seq, -1)
FROM reject WHERE node_id = ANY(%(nodes)s::text[]) ORDER BY 1, 2, 3

-- name: copy_fed
-- What the feed says is new, in binary.
COPY ledger_fed FROM STDIN (FORMAT BINARY)

-- name: analyse_fed
-- So that the join is planned for what is there.
ANALYZE ledger_fed

-- name: fed_otherwise
-- Stored and not fed, fed and not stored, or fed more than once.
SELECT device_id, kind, at_us, ordinal, coalesce(s.rows, 0), coalesce(f.fed, 0)
FROM (SELECT device_id, kind COLLATE "C" AS kind,
             (extract(epoch FROM measured_at) * 1000000)::bigint AS at_us, ordinal,
             count(*) AS rows
      FROM reading GROUP BY 1, 2, 3, 4) AS s
FULL JOIN (SELECT device_id, kind, at_us, ordinal, count(*) AS fed
           FROM ledger_fed GROUP BY 1, 2, 3, 4) AS f
    USING (device_id, kind, at_us, ordinal)
WHERE coalesce(s.rows, 0) <> 1 OR coalesce(f.fed, 0) <> 1

-- name: spoil_lose
-- One reading that nobody contested is gone.
DELETE FROM reading WHERE (device_id, kind, measured_at, ordinal) =
    (SELECT device_id, kind, measured_at, ordinal FROM reading AS r
     WHERE NOT fix AND NOT EXISTS (SELECT FROM reading_conflict AS c
        WHERE (c.device_id, c.kind, c.measured_at, c.ordinal)
            = (r.device_id, r.kind, r.measured_at, r.ordinal))
     ORDER BY stored_at DESC LIMIT 1)

-- name: spoil_double
-- One reading is there twice, a moment later.
INSERT INTO reading (device_id, kind, measured_at, ordinal, patient_id, v0, v1, v2, v3, flags,
    clock, who, node_id, boot, seq, received_at)
SELECT device_id, kind, measured_at + interval '1 ms', ordinal, patient_id, v0, v1, v2, v3, flags,
    clock, who, node_id, boot, seq, received_at
FROM reading ORDER BY stored_at DESC LIMIT 1

-- name: spoil_alter
-- One reading that nobody contested has another value.
UPDATE reading SET v0 = coalesce(v0, 0) + 1 WHERE (device_id, kind, measured_at, ordinal) =
    (SELECT device_id, kind, measured_at, ordinal FROM reading AS r
     WHERE NOT fix AND NOT EXISTS (SELECT FROM reading_conflict AS c
        WHERE (c.device_id, c.kind, c.measured_at, c.ordinal)
            = (r.device_id, r.kind, r.measured_at, r.ordinal))
     ORDER BY stored_at DESC LIMIT 1)

-- name: spoil_unfeed
-- One batch of the feed is gone.
DELETE FROM batch WHERE id = (SELECT id FROM batch ORDER BY items DESC LIMIT 1)
