-- name: take_over
-- What a node said it is set to, unless something newer is known. `boot` numbers are in no order.
INSERT INTO node_config (node_id, reported_revision, reported_boot, reported_seq, applied, errors,
    reported_at)
VALUES (%(node_id)s, %(revision)s, %(boot)s, %(seq)s, %(applied)s::jsonb, %(errors)s::jsonb, %(at)s)
ON CONFLICT (node_id) DO UPDATE SET
    reported_revision = excluded.reported_revision, reported_boot = excluded.reported_boot,
    reported_seq = excluded.reported_seq, applied = excluded.applied, errors = excluded.errors,
    reported_at = excluded.reported_at
WHERE node_config.reported_at IS NULL
   OR CASE WHEN node_config.reported_boot = excluded.reported_boot
           THEN node_config.reported_seq < excluded.reported_seq
           ELSE node_config.reported_at <= excluded.reported_at END
RETURNING node_id
