-- Where a correction holds: when its value was first said without being one. It is history as
-- such when another correction takes the place, and whoever said what first must not be forgotten.
ALTER TABLE reading ADD COLUMN said_at timestamptz;

-- Until now the value that came first held where nothing was corrected; now the one said first. What
-- stands beside a reading already is taken to have been said after it.
UPDATE reading_conflict AS c
SET sent_at = coalesce(r.sent_at, r.received_at) + interval '1 microsecond'
FROM reading AS r
WHERE (r.device_id, r.kind, r.measured_at, r.ordinal)
    = (c.device_id, c.kind, c.measured_at, c.ordinal)
  AND NOT r.fix AND coalesce(c.sent_at, c.received_at) <= coalesce(r.sent_at, r.received_at);
