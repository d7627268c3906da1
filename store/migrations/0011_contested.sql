-- What stands beside a reading: whose it was said to be and when it was said, so that it does not
-- depend on the order of arrival what is a contradiction and what was corrected; and a value once,
-- however many messages repeat it.

ALTER TABLE reading_conflict ADD COLUMN who text, ADD COLUMN sent_at timestamptz;

DELETE FROM reading_conflict AS again USING reading_conflict AS first
WHERE first.id < again.id
  AND (first.device_id, first.kind, first.measured_at, first.ordinal)
    = (again.device_id, again.kind, again.measured_at, again.ordinal)
  AND (first.v0, first.v1, first.v2, first.v3, first.flags, first.who)
      IS NOT DISTINCT FROM (again.v0, again.v1, again.v2, again.v3, again.flags, again.who);

-- One message may say several values of one reading.
ALTER TABLE reading_conflict
    DROP CONSTRAINT reading_conflict_node_id_boot_seq_device_id_kind_measured_a_key;
ALTER TABLE reading_conflict ADD CONSTRAINT reading_conflict_once
    UNIQUE NULLS NOT DISTINCT (device_id, kind, measured_at, ordinal, v0, v1, v2, v3, flags, who);
DROP INDEX reading_conflict_reading;
