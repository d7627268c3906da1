-- name: get
-- One command by its id.
SELECT id, op, args, received, deadline, st, out, ses, msg, boot, seq FROM command WHERE id = :id

-- name: open
-- Commands accepted and not answered yet.
SELECT id, op, args, received, deadline, st, out, ses, msg, boot, seq FROM command WHERE st = 'accepted'
ORDER BY received

-- name: put
-- A command with its latest answer.
INSERT INTO command (id, op, args, received, deadline, st, out, ses, msg, boot,
                     seq)
VALUES (:id, :op, :args, :received, :deadline, :st, :out, :ses, :msg, :boot, :seq)
ON CONFLICT (id) DO UPDATE SET st = excluded.st, out = excluded.out, ses = excluded.ses,
    msg = excluded.msg, deadline = excluded.deadline, boot = excluded.boot, seq = excluded.seq

-- name: forget
-- Commands so old that nobody repeats them.
DELETE FROM command WHERE deadline < :before
