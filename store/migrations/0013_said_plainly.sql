-- Where a correction holds: when its value was first said without being one. It is history as
-- such when another correction takes the place, and whoever said what first must not be forgotten.
ALTER TABLE reading ADD COLUMN said_at timestamptz;
