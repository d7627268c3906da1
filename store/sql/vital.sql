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
-- Dense series, as the lowest, the mean and the highest of each stretch of time. What does not
-- count (flags, clock) stands in buckets of its own. A missing sample is NaN.
SELECT block.kind, block.part,
       date_bin(%(width)s, block.start_at + (sample.n - 1) * block.step_ms * interval '1 ms',
                %(since)s) AS at,
       (block.flags & %(not_counting)s <> 0 OR block.clock = 'untrusted') AS left_out,
       min(sample.value) AS low, avg(sample.value) AS mean, max(sample.value) AS high,
       count(*) AS samples, bit_or(block.flags) AS flags
FROM block CROSS JOIN LATERAL unnest(block.samples) WITH ORDINALITY AS sample (value, n)
WHERE block.patient_id = %(patient_id)s
  AND block.start_at >= %(since)s AND block.start_at < %(until)s
  AND sample.value <> 'NaN'::real
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
