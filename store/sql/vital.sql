-- name: readings
-- What was measured of each vital sign but the pressure, the newest of each kind first.
SELECT kind, device_id, ordinal, measured_at, received_at, claimed_at, v0, v1, v2, v3, flags,
       clock::text AS clock,
       EXISTS (SELECT FROM reading_conflict AS other
               WHERE other.device_id = reading.device_id AND other.kind = reading.kind
                 AND other.measured_at = reading.measured_at
                 AND other.ordinal = reading.ordinal) AS conflict,
       EXISTS (SELECT FROM reading_history AS before
               WHERE before.device_id = reading.device_id AND before.kind = reading.kind
                 AND before.measured_at = reading.measured_at
                 AND before.ordinal = reading.ordinal AND before.reason = 'corrected')
           AS corrected
FROM (SELECT *, row_number() OVER (PARTITION BY kind ORDER BY measured_at DESC) AS place
      FROM reading
      WHERE patient_id = %(patient_id)s AND kind <> ALL(%(without)s)
        AND measured_at >= %(since)s AND measured_at < %(until)s) AS reading
WHERE place <= %(limit)s
ORDER BY kind, measured_at DESC, ordinal DESC, device_id

-- name: buckets
-- Dense series, as the lowest, the mean and the highest of each stretch of time: before `settled`
-- from the minutes that were computed, from there on from the samples. What does not count (flags,
-- clock) stands in buckets of its own. A missing sample is NaN, one of quality 0 is none.
SELECT kind, part, date_bin(%(width)s, at, %(since)s) AS at, left_out,
       min(low) AS low, sum(mean * n) / sum(n) AS mean, max(high) AS high,
       sum(n)::bigint AS samples, bit_or(flags) AS flags
FROM (
    SELECT kind, part, hour + (of.place - 1) * interval '1 minute' AS at, left_out, flags,
           of.n, of.low, of.mean::float8, of.high
    FROM block_hour AS b
    CROSS JOIN LATERAL unnest(b.n, b.low, b.mean, b.high) WITH ORDINALITY
        AS of (n, low, mean, high, place)
    WHERE b.patient_id = %(patient_id)s AND of.n IS NOT NULL
      AND hour >= date_trunc('hour', %(since)s::timestamptz, 'UTC') AND hour < %(settled)s
    UNION ALL
    SELECT block.kind, block.part,
           block.start_at + (sample.place - 1) * block.step_ms * interval '1 ms',
           (block.flags & %(not_counting)s <> 0 OR block.clock = 'untrusted'), block.flags,
           1, sample.value, sample.value::float8, sample.value
    FROM block CROSS JOIN LATERAL unnest(block.samples, block.quality) WITH ORDINALITY
        AS sample (value, quality, place)
    WHERE block.patient_id = %(patient_id)s
      AND block.start_at >= %(settled)s - (SELECT longest FROM aggregate_state)
      AND block.start_at < %(until)s
      AND block.start_at + (sample.place - 1) * block.step_ms * interval '1 ms' >= %(settled)s
      AND sample.value <> 'NaN'::real AND sample.quality IS DISTINCT FROM 0) AS found
WHERE at >= %(since)s AND at < %(until)s
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
