-- name: put
-- A message for a device, kept until downlink has handed it to the broker.
INSERT INTO outbound (node_id, kind, payload, created_at, expires_at)
VALUES (%(node_id)s, %(kind)s, %(payload)s, %(now)s, %(expires_at)s)
