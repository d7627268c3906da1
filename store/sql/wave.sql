-- name: insert
-- A chunk of a recording, unless its identity is taken.
INSERT INTO wave_chunk (device_id, recording, chunk, kind, patient_id, started_at, hz, samples,
    channels, encoding, scale, zero, unit, last, data, clock, claimed_at, node_id, boot, seq,
    received_at)
VALUES (%(device_id)s, %(recording)s, %(chunk)s, %(kind)s, %(patient_id)s, %(started_at)s, %(hz)s,
    %(samples)s, %(channels)s, %(encoding)s, %(scale)s, %(zero)s, %(unit)s, %(last)s, %(data)b,
    %(clock)s::clock_quality, %(claimed_at)s, %(node_id)s, %(boot)s, %(seq)s, %(received_at)s)
ON CONFLICT DO NOTHING
RETURNING chunk

-- name: differing
-- The chunk under this identity, if it holds something else. Its time is no content: without a
-- clock it follows the arrival.
SELECT chunk FROM wave_chunk
WHERE device_id = %(device_id)s AND recording = %(recording)s AND chunk = %(chunk)s
  AND (kind, hz, samples, channels, encoding, scale, zero, data)
      IS DISTINCT FROM (%(kind)s, %(hz)s::float8, %(samples)s::integer, %(channels)s::text[],
                        %(encoding)s, %(scale)s::float8, %(zero)s::float8, %(data)b::bytea)
