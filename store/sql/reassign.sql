-- name: open
-- The deed, before what it moves: its number goes into every history.
INSERT INTO reassignment (at, actor, what, from_patient_id, to_patient_id, from_aside, to_aside,
    note, undoes)
VALUES (%(at)s, %(actor)s, %(what)s, %(from_patient_id)s, %(to_patient_id)s, %(from_aside)s,
    %(to_aside)s, %(note)s, %(undoes)s)
RETURNING id

-- name: close
-- How much it moved.
UPDATE reassignment SET readings = %(readings)s, blocks = %(blocks)s, chunks = %(chunks)s
WHERE id = %(id)s

-- name: move_readings
-- The readings of a list that are still where they were thought to be. The owner is asked again
-- of the newest version of each row: of two people at once, one finds them gone.
UPDATE reading AS r
SET patient_id = %(to_patient_id)s, set_aside = %(to_aside)s, assigned_at = %(at)s
FROM unnest(%(device_id)s::bigint[], %(kind)s::text[], %(measured_at)s::timestamptz[],
    %(ordinal)s::bigint[]) AS w (device_id, kind, measured_at, ordinal)
WHERE (r.device_id, r.kind, r.measured_at, r.ordinal)
    = (w.device_id, w.kind, w.measured_at, w.ordinal)
  AND r.measured_at BETWEEN %(first)s AND %(last)s
  -- As an equality, which leaves TimescaleDB's columns of everybody else alone.
  AND (%(from_patient_id)s::bigint IS NULL OR r.patient_id = %(from_patient_id)s)
  AND (%(from_patient_id)s::bigint IS NOT NULL OR r.patient_id IS NULL)
  AND r.set_aside IS NOT DISTINCT FROM %(from_aside)s
  AND (%(from_patient_id)s::bigint IS NOT NULL
       OR r.node_id IN (SELECT * FROM visible_nodes(%(staff_id)s)))
RETURNING r.device_id, r.kind, r.measured_at, r.ordinal, r.v0, r.v1, r.v2, r.v3, r.flags,
    r.clock::text AS clock, r.received_at, r.who, r.session_id, r.node_id, r.boot, r.seq, r.fix,
    r.sent_at,
    coalesce(r.context #>> '{session,done}', '0') NOT IN ('0', 'false') AS session_done

-- name: history
-- What each of them was before.
INSERT INTO reading_history (device_id, kind, measured_at, ordinal, before, reason, actor, at,
    reassignment_id)
SELECT h.device_id, h.kind, h.measured_at, h.ordinal, h.before::jsonb, 'reassigned', %(actor)s,
    %(at)s, %(id)s
FROM unnest(%(device_id)s::bigint[], %(kind)s::text[], %(measured_at)s::timestamptz[],
    %(ordinal)s::bigint[], %(before)s::text[])
    AS h (device_id, kind, measured_at, ordinal, before)

-- name: move_conflicts
-- What claims the place of these readings goes where they go.
UPDATE reading_conflict AS c SET patient_id = %(to_patient_id)s
FROM unnest(%(device_id)s::bigint[], %(kind)s::text[], %(measured_at)s::timestamptz[],
    %(ordinal)s::bigint[]) AS w (device_id, kind, measured_at, ordinal)
WHERE (c.device_id, c.kind, c.measured_at, c.ordinal)
    = (w.device_id, w.kind, w.measured_at, w.ordinal)
  AND c.patient_id IS NOT DISTINCT FROM %(from_patient_id)s

-- name: move_blocks
-- The same for dense series.
UPDATE block AS b SET patient_id = %(to_patient_id)s, set_aside = %(to_aside)s
FROM unnest(%(device_id)s::bigint[], %(kind)s::text[], %(start_at)s::timestamptz[],
    %(part)s::smallint[]) AS w (device_id, kind, start_at, part)
WHERE (b.device_id, b.kind, b.start_at, b.part) = (w.device_id, w.kind, w.start_at, w.part)
  AND b.start_at BETWEEN %(first)s AND %(last)s
  -- As an equality, which leaves TimescaleDB's columns of everybody else alone.
  AND (%(from_patient_id)s::bigint IS NULL OR b.patient_id = %(from_patient_id)s)
  AND (%(from_patient_id)s::bigint IS NOT NULL OR b.patient_id IS NULL)
  AND b.set_aside IS NOT DISTINCT FROM %(from_aside)s
  AND (%(from_patient_id)s::bigint IS NOT NULL
       OR b.node_id IN (SELECT * FROM visible_nodes(%(staff_id)s)))
RETURNING b.device_id, b.kind, b.start_at, b.part, b.node_id, b.step_ms,
    cardinality(b.samples) AS samples, b.received_at

-- name: keep_blocks
-- Which dense series a deed moved.
INSERT INTO reassigned_block (reassignment_id, device_id, kind, start_at, part)
SELECT %(id)s, w.* FROM unnest(%(device_id)s::bigint[], %(kind)s::text[],
    %(start_at)s::timestamptz[], %(part)s::smallint[]) AS w (device_id, kind, start_at, part)

-- name: move_chunks
-- The same for recordings.
UPDATE wave_chunk AS c SET patient_id = %(to_patient_id)s
FROM unnest(%(device_id)s::bigint[], %(recording)s::text[], %(chunk)s::integer[])
    AS w (device_id, recording, chunk)
WHERE (c.device_id, c.recording, c.chunk) = (w.device_id, w.recording, w.chunk)
  AND c.patient_id IS NOT DISTINCT FROM %(from_patient_id)s
  AND (%(from_patient_id)s::bigint IS NOT NULL
       OR c.node_id IN (SELECT * FROM visible_nodes(%(staff_id)s)))

-- name: keep_chunks
-- Which chunks of recordings a deed moved.
INSERT INTO reassigned_chunk (reassignment_id, device_id, recording, chunk)
SELECT %(id)s, w.* FROM unnest(%(device_id)s::bigint[], %(recording)s::text[],
    %(chunk)s::integer[]) AS w (device_id, recording, chunk)
