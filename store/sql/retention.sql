-- name: messages
-- Identities of messages older than any device keeps one; a part of them, so that nobody waits.
DELETE FROM message WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM message WHERE received_at < %(before)s LIMIT %(limit)s))

-- name: rejects
-- What was refused before then; a part.
DELETE FROM reject WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM reject WHERE received_at < %(before)s LIMIT %(limit)s))

-- name: waveforms
-- Chunks of recordings from before then, unless an episode of their patient (or of their device, as
-- long as they are nobody's) is open, or they lie within a day of one; a part.
DELETE FROM wave_chunk WHERE ctid = ANY (ARRAY(
    SELECT wave.ctid FROM wave_chunk AS wave
    WHERE wave.started_at < %(before)s
      AND NOT EXISTS (
          SELECT FROM episode
          WHERE CASE WHEN wave.patient_id IS NULL THEN episode.device_id = wave.device_id
                     ELSE episode.patient_id = wave.patient_id END
            AND (episode.state <> 'closed'
                 OR wave.started_at BETWEEN episode.onset_at - interval '1 day'
                                        AND episode.closed_at + interval '1 day'))
    LIMIT %(limit)s))
