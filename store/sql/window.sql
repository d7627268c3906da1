-- name: of_patients
-- Pressures and failed measurements of each patient since an instant, in measured order.
SELECT r.*
FROM unnest(%(ids)s::bigint[], %(since)s::timestamptz[]) AS wanted (patient_id, since)
CROSS JOIN LATERAL (
    SELECT device_id, node_id, kind, measured_at, ordinal, patient_id, v0, v1, v2, v3, flags,
           clock::text, who, session_id,
           coalesce(context #>> '{session,done}', '0') NOT IN ('0', 'false') AS session_done,
           greatest(coalesce(replayed_at, received_at), assigned_at) AS received_at,
           '' AS beside, 0 AS conflict
    FROM reading
    WHERE reading.patient_id = wanted.patient_id AND measured_at >= wanted.since
      AND (kind = 'bp' OR flags & %(failed)s <> 0)
    UNION ALL
    -- What claims the place of another reading is judged as well.
    SELECT device_id, node_id, kind, measured_at, ordinal, patient_id, v0, v1, v2, v3, flags,
           'other', NULL, NULL, false, coalesce(replayed_at, received_at), boot || ':' || seq,
           id
    FROM reading_conflict
    WHERE reading_conflict.patient_id = wanted.patient_id AND measured_at >= wanted.since
      AND (kind = 'bp' OR flags & %(failed)s <> 0)) AS r
ORDER BY r.patient_id, r.measured_at, r.device_id, r.ordinal, r.beside, r.conflict

-- name: of_devices
-- The same of readings nobody owns yet.
SELECT r.*
FROM unnest(%(ids)s::bigint[], %(since)s::timestamptz[]) AS wanted (device_id, since)
CROSS JOIN LATERAL (
    SELECT device_id, node_id, kind, measured_at, ordinal, patient_id, v0, v1, v2, v3, flags,
           clock::text, who, session_id,
           coalesce(context #>> '{session,done}', '0') NOT IN ('0', 'false') AS session_done,
           greatest(coalesce(replayed_at, received_at), assigned_at) AS received_at,
           '' AS beside, 0 AS conflict
    FROM reading
    WHERE reading.device_id = wanted.device_id AND measured_at >= wanted.since AND patient_id IS NULL
      AND (kind = 'bp' OR flags & %(failed)s <> 0)
    UNION ALL
    -- What claims the place of another reading is judged as well.
    SELECT device_id, node_id, kind, measured_at, ordinal, patient_id, v0, v1, v2, v3, flags,
           'other', NULL, NULL, false, coalesce(replayed_at, received_at), boot || ':' || seq,
           id
    FROM reading_conflict
    WHERE reading_conflict.device_id = wanted.device_id AND measured_at >= wanted.since AND patient_id IS NULL
      AND (kind = 'bp' OR flags & %(failed)s <> 0)) AS r
ORDER BY r.device_id, r.measured_at, r.ordinal, r.beside, r.conflict

-- name: events
-- What a patient answered, and whether they fell.
SELECT e.patient_id, e.node_id, e.event_id, e.type, e.occurred_at, e.body
FROM unnest(%(ids)s::bigint[], %(since)s::timestamptz[]) AS wanted (patient_id, since)
JOIN event e ON e.patient_id = wanted.patient_id AND e.occurred_at >= wanted.since
WHERE e.type = ANY(%(types)s)
ORDER BY e.patient_id, e.occurred_at, e.id

-- name: patients
-- The clinical profile that holds for each patient.
SELECT p.id, coalesce(t.profile, 'cn') AS profile
FROM patient p LEFT JOIN team t ON t.id = p.team_id
WHERE p.id = ANY(%(ids)s)

-- name: candidates
-- Whom a device may have measured (safety rule 5): bound to it then, else living in its home.
WITH wanted AS (
    SELECT * FROM unnest(%(devices)s::bigint[], %(at)s::timestamptz[]) AS w (device_id, at)
)
SELECT wanted.device_id, b.patient_id
FROM wanted JOIN device_binding b ON b.device_id = wanted.device_id AND b.during @> wanted.at
UNION
SELECT wanted.device_id, p.id
FROM wanted
JOIN device d ON d.id = wanted.device_id
JOIN node n ON n.id = d.node_id
JOIN patient p ON p.household_id = n.household_id AND p.archived_at IS NULL
WHERE NOT EXISTS (SELECT FROM device_binding b
                  WHERE b.device_id = wanted.device_id AND b.during @> wanted.at)
ORDER BY 1, 2

-- name: cancelled
-- Calls for help that were withdrawn on the device, whichever of the two came first.
SELECT e.node_id, e.ref, min(e.occurred_at)
FROM unnest(%(nodes)s::text[], %(refs)s::text[]) AS wanted (node_id, ref)
JOIN event e ON e.node_id = wanted.node_id AND e.ref = wanted.ref AND e.type = 'cancel'
GROUP BY e.node_id, e.ref

-- name: settled_doses
-- The newest doses with a known outcome, of each plan item, oldest first.
SELECT d.id, d.patient_id, d.plan_item_id, d.node_id, d.due_at, d.state
FROM plan_item i
CROSS JOIN LATERAL (
    SELECT dose.id, dose.patient_id, dose.plan_item_id, dose.node_id, dose.due_at, dose.state
    FROM dose
    WHERE dose.plan_item_id = i.id
      AND dose.state IN ('taken', 'late_taken', 'skipped', 'missed', 'failed')
    ORDER BY dose.due_at DESC LIMIT %(each)s) AS d
WHERE i.patient_id = ANY(%(ids)s) AND i.stopped_at IS NULL AND i.kind = 'med'
ORDER BY d.patient_id, d.plan_item_id, d.due_at

-- name: silent
-- Who has not measured for longer than planned, and what their nodes and devices say.
SELECT p.id AS patient_id, p.created_at, p.expect_reading_every_s AS expect_s, newest.at AS last_at,
       (SELECT min(d.node_id) FROM device_binding b JOIN device d ON d.id = b.device_id
        WHERE b.patient_id = p.id AND b.during @> %(now)s::timestamptz) AS node_id,
       ARRAY(SELECT s.state FROM device_binding b JOIN device d ON d.id = b.device_id
             LEFT JOIN node_state s ON s.node_id = d.node_id
             WHERE b.patient_id = p.id AND b.during @> %(now)s::timestamptz
             ORDER BY b.id) AS nodes,
       ARRAY(SELECT s.subs ->> d.dev FROM device_binding b JOIN device d ON d.id = b.device_id
             LEFT JOIN node_state s ON s.node_id = d.node_id
             WHERE b.patient_id = p.id AND b.during @> %(now)s::timestamptz
             ORDER BY b.id) AS links
FROM patient p
CROSS JOIN LATERAL (
    SELECT greatest(
        (SELECT max(r.measured_at) FROM reading r WHERE r.patient_id = p.id),
        (SELECT max(k.start_at) FROM block k WHERE k.patient_id = p.id)) AS at) AS newest
WHERE p.archived_at IS NULL AND p.expect_reading_every_s IS NOT NULL
  AND p.created_at < %(now)s::timestamptz - make_interval(secs => p.expect_reading_every_s)
  AND NOT EXISTS (
    SELECT FROM reading r WHERE r.patient_id = p.id
    AND r.measured_at >= %(now)s::timestamptz - make_interval(secs => p.expect_reading_every_s))
  AND NOT EXISTS (
    SELECT FROM block k WHERE k.patient_id = p.id
    AND k.start_at >= %(now)s::timestamptz - make_interval(secs => p.expect_reading_every_s))
ORDER BY p.id
LIMIT %(limit)s

-- name: patients_of_plans
-- Whose plan a node holds, where it is one person's.
SELECT node_id, min(patient_id) FROM plan_item
WHERE node_id = ANY(%(nodes)s)
GROUP BY node_id HAVING count(DISTINCT patient_id) = 1
