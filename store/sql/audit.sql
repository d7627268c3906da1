-- name: record
-- One line in the book of who did what; nothing here is ever changed.
INSERT INTO audit (at, staff_id, action, subject_kind, subject_id, address, detail)
VALUES (%(at)s, %(staff_id)s, %(action)s, %(subject_kind)s, %(subject_id)s, %(address)s,
        %(detail)s)

-- name: of_subject
-- What was done to one subject, newest first.
SELECT id, at, staff_id, action, subject_kind, subject_id, address, detail FROM audit
WHERE subject_kind = %(subject_kind)s AND subject_id = %(subject_id)s
ORDER BY at DESC, id DESC LIMIT %(limit)s

-- name: one_sign_in_at_a_time
-- Guesses for one account wait for nothing: a second one at the same moment is told to come back.
SELECT pg_try_advisory_xact_lock(4851005, hashtext(%(user_name)s))

-- name: failed_sign_ins
-- How often signing in failed: for this account from here since it last worked from here, for
-- this account from anywhere since it last worked, and from here for any account.
WITH mine AS (
    SELECT at, address, action FROM audit
    WHERE subject_kind = 'user' AND subject_id = %(user_name)s AND at > %(since)s
      AND action IN ('sign_in', 'sign_in_failed')),
pair AS (
    SELECT at FROM mine WHERE action = 'sign_in_failed' AND address = %(address)s
      AND at > coalesce((SELECT max(at) FROM mine
                         WHERE action = 'sign_in' AND address = %(address)s), '-infinity')),
account AS (
    SELECT at FROM mine WHERE action = 'sign_in_failed'
      AND at > coalesce((SELECT max(at) FROM mine WHERE action = 'sign_in'), '-infinity')),
here AS (
    SELECT at FROM audit
    WHERE action = 'sign_in_failed' AND address = %(address)s AND at > %(since)s)
SELECT (SELECT count(*) FROM pair) AS pair, (SELECT max(at) FROM pair) AS pair_at,
       (SELECT count(*) FROM account) AS account, (SELECT max(at) FROM account) AS account_at,
       (SELECT count(*) FROM here) AS address, (SELECT max(at) FROM here) AS address_at
