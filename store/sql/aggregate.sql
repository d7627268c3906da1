-- name: mark_days
-- Readings of these patients at these instants (in microseconds since 1970) changed: their days are
-- due. What `zone_of` says, written out: every live reading comes by here.
INSERT INTO reading_day_due (patient_id, kind, day)
SELECT DISTINCT changed.patient_id, (%(kinds)s::text[])[kind],
    (at AT TIME ZONE coalesce(own.time_zone, area.time_zone, 'UTC'))::date
FROM unnest(%(patient_id)s::bigint[], %(kind)s::integer[], %(at)s::bigint[])
    AS changed (patient_id, kind, micros)
CROSS JOIN LATERAL (SELECT 'epoch'::timestamptz + micros * interval '1 microsecond' AS at) AS instant
LEFT JOIN LATERAL (
    SELECT time_zone FROM patient_time_zone AS own
    WHERE own.patient_id = changed.patient_id AND own.since <= at
    ORDER BY own.since DESC LIMIT 1) AS own ON true
LEFT JOIN patient ON patient.id = changed.patient_id
LEFT JOIN area ON area.id = patient.area_id
ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING

-- name: mark_hours
-- Dense series of these patients changed: every hour with a sample of theirs is due.
INSERT INTO block_hour_due (patient_id, kind, hour)
SELECT DISTINCT patient_id, kind, date_trunc('hour', hour, 'UTC')
FROM unnest(%(patient_id)s::bigint[], %(kind)s::text[], %(since)s::timestamptz[],
            %(until)s::timestamptz[], %(step)s::interval[])
    AS changed (patient_id, kind, since, until, step)
CROSS JOIN LATERAL (
    SELECT until AS hour
    UNION ALL
    SELECT generate_series(since, until, greatest(step, interval '1 hour'))) AS touched
ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING

-- name: longest
-- So far back a series may begin that reaches into an hour.
SELECT longest FROM aggregate_state

-- name: longer
-- There is a longer one.
UPDATE aggregate_state SET longest = %(longest)s WHERE longest < %(longest)s

-- name: refresh_days
-- Some of the days that are due, computed from the readings as they are now.
WITH due AS (
    DELETE FROM reading_day_due WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM reading_day_due ORDER BY patient_id, kind, day
        LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    RETURNING *
), found AS (
    SELECT due.*, r.*
    FROM due CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE counts) AS n, count(*) FILTER (WHERE NOT counts) AS left_out,
            min(v0) FILTER (WHERE counts) AS low0, min(v1) FILTER (WHERE counts) AS low1,
            min(v2) FILTER (WHERE counts) AS low2, min(v3) FILTER (WHERE counts) AS low3,
            max(v0) FILTER (WHERE counts) AS high0, max(v1) FILTER (WHERE counts) AS high1,
            max(v2) FILTER (WHERE counts) AS high2, max(v3) FILTER (WHERE counts) AS high3,
            avg(v0) FILTER (WHERE counts) AS mean0, avg(v1) FILTER (WHERE counts) AS mean1,
            avg(v2) FILTER (WHERE counts) AS mean2, avg(v3) FILTER (WHERE counts) AS mean3,
            array_agg(ARRAY[v0, v1, v2, v3] ORDER BY measured_at, device_id, ordinal)
                FILTER (WHERE counts) AS values,
            min(measured_at) FILTER (WHERE counts) AS first_at,
            max(measured_at) FILTER (WHERE counts) AS last_at
        FROM (SELECT *, flags & %(not_counting)s = 0 AND clock <> 'untrusted' AS counts
              FROM reading
              WHERE reading.patient_id = due.patient_id AND reading.kind = due.kind
                -- Every zone's day lies within this.
                AND measured_at >= (due.day::timestamp - interval '14 hours') AT TIME ZONE 'UTC'
                AND measured_at < (due.day::timestamp + interval '36 hours') AT TIME ZONE 'UTC'
              OFFSET 0) AS around
        WHERE (measured_at AT TIME ZONE zone_of(due.patient_id, measured_at))::date = due.day
        ) AS r
), gone AS (
    DELETE FROM reading_day AS old USING found
    WHERE (old.patient_id, old.kind, old.day) = (found.patient_id, found.kind, found.day)
      AND found.n + found.left_out = 0
), kept AS (
    INSERT INTO reading_day
    SELECT patient_id, kind, day, n, left_out, low0, low1, low2, low3, high0, high1, high2, high3,
        mean0, mean1, mean2, mean3, values[1][1], values[1][2], values[1][3], values[1][4],
        values[n][1], values[n][2], values[n][3], values[n][4], first_at, last_at
    FROM found WHERE n + left_out > 0
    ON CONFLICT (patient_id, kind, day) DO UPDATE SET
        n = excluded.n, left_out = excluded.left_out,
        low0 = excluded.low0, low1 = excluded.low1, low2 = excluded.low2, low3 = excluded.low3,
        high0 = excluded.high0, high1 = excluded.high1,
        high2 = excluded.high2, high3 = excluded.high3,
        mean0 = excluded.mean0, mean1 = excluded.mean1,
        mean2 = excluded.mean2, mean3 = excluded.mean3,
        first0 = excluded.first0, first1 = excluded.first1,
        first2 = excluded.first2, first3 = excluded.first3,
        last0 = excluded.last0, last1 = excluded.last1,
        last2 = excluded.last2, last3 = excluded.last3,
        first_at = excluded.first_at, last_at = excluded.last_at
)
SELECT count(*) FROM due

-- name: take_hours
-- Some of the hours that are due.
DELETE FROM block_hour_due WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM block_hour_due ORDER BY patient_id, kind, hour
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
RETURNING patient_id, kind, hour

-- name: clear_hours
-- What they said before. What is older than dense series are kept stays: it has no source any more.
DELETE FROM block_hour AS old
USING unnest(%(patient_id)s::bigint[], %(kind)s::text[], %(hour)s::timestamptz[])
    AS due (patient_id, kind, hour)
WHERE (old.patient_id, old.kind, old.hour) = (due.patient_id, due.kind, due.hour)
  AND due.hour >= %(kept_since)s

-- name: fill_hours
-- The samples of these hours by minute, as they are now. A sample of quality 0 is none.
-- Places in the hour are whole milliseconds, so that no timestamp is made for each sample.
WITH touching AS (
    SELECT due.*, block.device_id, block.part, block.flags, block.samples, block.quality,
        block.step_ms, (block.flags & %(not_counting)s <> 0 OR block.clock = 'untrusted') AS left_out,
        floor(extract(epoch FROM block.start_at - due.hour) * 1000)::bigint AS ms
    FROM unnest(%(patient_id)s::bigint[], %(kind)s::text[], %(hour)s::timestamptz[])
        AS due (patient_id, kind, hour)
    JOIN block ON block.patient_id = due.patient_id AND block.kind = due.kind
        AND block.start_at >= due.hour - %(longest)s AND block.start_at < due.hour + interval '1 hour'
        AND block.start_at BETWEEN %(first)s AND %(last)s
), by_minute AS (
    SELECT patient_id, device_id, kind, part, hour, left_out,
        ((ms + (place - 1) * step_ms) / 60000)::integer AS minute,
        count(*)::integer AS n, min(value) AS low, avg(value)::real AS mean, max(value) AS high,
        bit_or(flags) AS flags
    FROM touching CROSS JOIN LATERAL unnest(samples, quality) WITH ORDINALITY
        AS sample (value, quality, place)
    WHERE value <> 'NaN'::real AND sample.quality IS DISTINCT FROM 0
      AND ms + (place - 1) * step_ms BETWEEN 0 AND 3599999
    GROUP BY 1, 2, 3, 4, 5, 6, 7
)
INSERT INTO block_hour (patient_id, device_id, kind, part, hour, left_out, flags,
    n, low, mean, high)
SELECT patient_id, device_id, kind, part, hour, left_out, bit_or(of.flags),
    array_agg(of.n ORDER BY minute), array_agg(of.low ORDER BY minute),
    array_agg(of.mean ORDER BY minute), array_agg(of.high ORDER BY minute)
FROM (SELECT DISTINCT patient_id, device_id, kind, part, hour, left_out FROM by_minute) AS row
CROSS JOIN generate_series(0, 59) AS minute
LEFT JOIN by_minute AS of USING (patient_id, device_id, kind, part, hour, left_out, minute)
GROUP BY 1, 2, 3, 4, 5, 6
ON CONFLICT DO NOTHING

-- name: begin
-- Whether this is the first time; then what is stored already is to be computed.
UPDATE aggregate_state SET begun = true WHERE NOT begun

-- name: begun
-- Whether aggregates are kept here.
SELECT begun FROM aggregate_state

-- name: again
-- A stretch of a series whose aggregates are to be computed anew.
INSERT INTO aggregate_again (series, since, until) VALUES (%(series)s, %(since)s, %(until)s)

-- name: take_again
-- The stretch that has waited longest; with everything of a patient, or a part of everybody's.
SELECT id, series, patient_id, since, until FROM aggregate_again
ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: move_again
-- It is done up to there.
UPDATE aggregate_again SET since = %(since)s WHERE id = %(id)s

-- name: end_again
-- It is done.
DELETE FROM aggregate_again WHERE id = %(id)s

-- name: mark_days_of
-- All days of a patient: as they were computed, and as they are now.
INSERT INTO reading_day_due (patient_id, kind, day)
SELECT patient_id, kind, day FROM reading_day WHERE patient_id = %(patient_id)s
UNION
SELECT patient_id, kind, (measured_at AT TIME ZONE zone_of(patient_id, measured_at))::date
FROM reading WHERE patient_id = %(patient_id)s
ON CONFLICT DO NOTHING

-- name: mark_days_between
-- The days of whatever was measured in a stretch.
INSERT INTO reading_day_due (patient_id, kind, day)
SELECT DISTINCT patient_id, kind, (measured_at AT TIME ZONE zone_of(patient_id, measured_at))::date
FROM reading
WHERE measured_at >= %(since)s AND measured_at < %(until)s AND patient_id IS NOT NULL
ON CONFLICT DO NOTHING

-- name: blocks_between
-- The dense series of a stretch, as the feed tells them.
SELECT patient_id, kind, start_at, cardinality(samples), step_ms FROM block
WHERE start_at >= %(since)s AND start_at < %(until)s AND patient_id IS NOT NULL

-- name: days
-- Days of one patient and vital sign, oldest first.
SELECT day, n, left_out, ARRAY[low0, low1, low2, low3] AS low,
    ARRAY[high0, high1, high2, high3] AS high, ARRAY[mean0, mean1, mean2, mean3] AS mean,
    ARRAY[first0, first1, first2, first3] AS first, ARRAY[last0, last1, last2, last3] AS last,
    first_at, last_at
FROM reading_day
WHERE patient_id = %(patient_id)s AND kind = %(kind)s AND day >= %(since)s AND day < %(until)s
ORDER BY day

-- name: minutes
-- Minutes of one patient's dense series, oldest first.
SELECT device_id, part, at, left_out, flags, of.n, of.low, of.mean, of.high
FROM block_hour AS b
CROSS JOIN LATERAL unnest(b.n, b.low, b.mean, b.high) WITH ORDINALITY
    AS of (n, low, mean, high, place)
CROSS JOIN LATERAL (SELECT b.hour + (of.place - 1) * interval '1 minute' AS at) AS begun
WHERE patient_id = %(patient_id)s AND kind = %(kind)s
  AND hour >= date_trunc('hour', %(since)s::timestamptz, 'UTC') AND hour < %(until)s
  AND at >= %(since)s AND at < %(until)s AND of.n IS NOT NULL
ORDER BY at, part, device_id, left_out
