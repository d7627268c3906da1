-- Until now the value that came first held where nothing was corrected; now the one said first. What
-- stands beside a reading already is taken to have been said after it. Before, not in, the migration
-- that alters the table of readings: nobody waits for that table while these are looked for.
UPDATE reading_conflict AS c
SET sent_at = coalesce(r.sent_at, r.received_at) + interval '1 microsecond'
FROM reading AS r
WHERE (r.device_id, r.kind, r.measured_at, r.ordinal)
    = (c.device_id, c.kind, c.measured_at, c.ordinal)
  AND NOT r.fix AND coalesce(c.sent_at, c.received_at) <= coalesce(r.sent_at, r.received_at);
