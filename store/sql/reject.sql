-- name: copy
-- Refused messages and parts of messages, in binary.
COPY reject (received_at, node_id, topic, boot, seq, code, path, got, reason, payload, kept, dropped,
    maker, model, firmware)
FROM STDIN (FORMAT BINARY)

-- name: prune
-- What was refused before then.
DELETE FROM reject WHERE received_at < %(before)s
