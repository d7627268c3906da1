-- name: record
-- An event, once per node and event id, whatever is sent again.
INSERT INTO event (node_id, event_id, type, severity, patient_id, occurred_at, clock, received_at,
    ref, body)
VALUES (%(node_id)s, %(event_id)s, %(type)s, %(severity)s, %(patient_id)s, %(occurred_at)s,
    %(clock)s, %(received_at)s, %(ref)s, %(body)s::jsonb)
ON CONFLICT (node_id, event_id) DO NOTHING
RETURNING id

-- name: namesakes
-- The events that were stored under an id, or beside it because the node used the id again.
SELECT id, event_id, type, occurred_at FROM event
WHERE node_id = %(node_id)s
  AND (event_id = %(event_id)s OR starts_with(event_id, %(event_id)s || '~'))
ORDER BY id
