-- Indexes on tables that may be large already, built while ingest writes (store/online.py).

-- What nobody owns, in the order people look at it.
CREATE INDEX reading_waiting ON reading (measured_at, device_id, kind, ordinal)
    WHERE patient_id IS NULL AND set_aside IS NULL;
CREATE INDEX block_waiting ON block (start_at, device_id)
    WHERE patient_id IS NULL AND set_aside IS NULL;
-- What one deed moved.
CREATE INDEX reading_history_reassignment ON reading_history (reassignment_id)
    WHERE reassignment_id IS NOT NULL;
-- What was refused, by time, by code over time and by node; the product has an index of its own.
CREATE INDEX reject_time ON reject (received_at, id);
CREATE INDEX reject_code ON reject (code, received_at, id);
-- How far a replay is: all rows asked for by one person at one instant are one replay.
CREATE INDEX reject_replay ON reject (replay_asked_at, replay_asked_by)
    WHERE replay_asked_at IS NOT NULL;
-- What is still being asked of a node.
CREATE INDEX command_resend ON command (node_id)
    WHERE op = 'resend' AND state IN ('queued', 'sent', 'accepted');
-- Waveforms that are old enough to be forgotten.
CREATE INDEX wave_chunk_age ON wave_chunk USING brin (started_at);
