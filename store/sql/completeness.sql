-- name: about
-- What is expected of a patient, since when, and in which time zone they live.
SELECT patient.expect_reading_every_s, patient.created_at,
       coalesce((SELECT own.time_zone FROM patient_time_zone AS own
                 WHERE own.patient_id = patient.id AND own.since <= %(now)s
                 ORDER BY own.since DESC LIMIT 1), area.time_zone)
FROM patient JOIN area ON area.id = patient.area_id
WHERE patient.id = %(patient_id)s

-- name: came
-- How many readings and blocks there are by local day, without demonstrations and failures.
SELECT day, sum(number)::bigint FROM (
    SELECT (measured_at AT TIME ZONE %(zone)s)::date AS day, count(*) AS number FROM reading
    WHERE patient_id = %(patient_id)s AND measured_at >= %(since)s AND measured_at <= %(until)s
      AND flags & %(not_counted)s = 0
    GROUP BY 1
    UNION ALL
    SELECT (start_at AT TIME ZONE %(zone)s)::date, count(*) FROM block
    WHERE patient_id = %(patient_id)s AND start_at >= %(since)s AND start_at <= %(until)s
      AND flags & %(not_counted)s = 0
    GROUP BY 1) AS each
GROUP BY day

-- name: planned
-- How often the plan asked for a measurement so far, by local day.
SELECT (dose.due_at AT TIME ZONE %(zone)s)::date, count(*)
FROM dose JOIN plan_item ON plan_item.id = dose.plan_item_id
WHERE dose.patient_id = %(patient_id)s AND plan_item.kind = 'measure'
  AND dose.state <> 'withdrawn' AND dose.due_at >= %(since)s AND dose.due_at <= %(until)s
GROUP BY 1

-- name: losses
-- What did not come of the nodes whose devices measured the patient then, and where such a node
-- began another count: what the one before had left to say cannot be known.
SELECT DISTINCT gap.id, coalesce(gap.after_at, gap.before_at) AS after_at, gap.before_at,
       CASE WHEN gap.closed_at IS NULL THEN numbers_in(gap.missing) ELSE 0 END AS missing,
       CASE WHEN wide THEN 0 WHEN gap.closed_at IS NULL THEN numbers_in(gap.gone)
            ELSE numbers_in(gap.gone + gap.missing) END AS lost,
       wide::integer AS unclear
FROM device_binding AS bound
JOIN device ON device.id = bound.device_id
JOIN gap ON gap.node_id = device.node_id
    AND bound.during && tstzrange(coalesce(gap.after_at, gap.before_at), gap.before_at, '[]')
CROSS JOIN LATERAL (SELECT gap.recounted
                    OR upper(gap.numbers) - lower(gap.numbers) > %(widest)s) AS sized (wide)
WHERE bound.patient_id = %(patient_id)s AND gap.before_at >= %(since)s
  AND coalesce(gap.after_at, gap.before_at) <= %(until)s AND gap.how IS DISTINCT FROM 'came'
UNION ALL
SELECT DISTINCT 0, watch.first_at, watch.first_at, 0, 0, 1
FROM device_binding AS bound
JOIN device ON device.id = bound.device_id
JOIN gap_watch AS watch ON watch.node_id = device.node_id AND bound.during @> watch.first_at
WHERE bound.patient_id = %(patient_id)s
  AND watch.first_at >= %(since)s AND watch.first_at <= %(until)s
  AND EXISTS (SELECT FROM gap_watch AS earlier WHERE earlier.node_id = watch.node_id
              AND earlier.first_at < watch.first_at)
