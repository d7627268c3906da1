-- Who may act for the hub, where only one process may at a time.

-- `epoch` counts the holders: a process that was frozen and comes back finds a newer one. Only the
-- database's own clock writes `renewed_at`. Without a holder anybody may take it.
CREATE TABLE lease (
    name text PRIMARY KEY,
    holder text,
    epoch bigint NOT NULL,
    renewed_at timestamptz NOT NULL
) WITH (fillfactor = 10);
