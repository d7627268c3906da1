-- name: all
-- Every dose still worth knowing.
SELECT id, rid, rev, due, opens, closes, item, known, shown, snoozes, snoozed_until, outcome,
       outcome_at, noticed, withdrawn
FROM dose ORDER BY due, id

-- name: put
-- A dose as it is now.
INSERT INTO dose (id, rid, rev, due, opens, closes, item, known, shown, snoozes, snoozed_until,
                  outcome, outcome_at, noticed, withdrawn)
VALUES (:id, :rid, :rev, :due, :opens, :closes, :item, :known, :shown, :snoozes, :snoozed_until,
        :outcome, :outcome_at, :noticed, :withdrawn)
ON CONFLICT (id) DO UPDATE SET rid = excluded.rid, rev = excluded.rev, due = excluded.due,
    opens = excluded.opens, closes = excluded.closes, item = excluded.item, shown = excluded.shown,
    snoozes = excluded.snoozes, snoozed_until = excluded.snoozed_until,
    outcome = excluded.outcome, outcome_at = excluded.outcome_at, noticed = excluded.noticed,
    withdrawn = excluded.withdrawn

-- name: forget
-- Doses so old that nobody delivers them again.
DELETE FROM dose WHERE closes < :before
