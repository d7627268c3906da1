-- name: open
-- A unit bound to a place and a person.
INSERT INTO claim (serial, area_id, household_id, patient_id, label, opened_at, opened_by)
VALUES (%(serial)s, %(area_id)s, %(household_id)s, %(patient_id)s, %(label)s, %(now)s,
        %(opened_by)s)
RETURNING id

-- name: lock
-- The open claim of a unit, held until the transaction ends.
SELECT id, serial, area_id, household_id, patient_id, label, opened_at, opened_by, node_id,
       issued_at, completed_at, ended_at
FROM claim WHERE serial = %(serial)s AND ended_at IS NULL FOR UPDATE

-- name: of_node
-- The claim by which a node came to be.
SELECT id, serial, area_id, household_id, patient_id, label, opened_at, opened_by, node_id,
       issued_at, completed_at, ended_at
FROM claim WHERE node_id = %(node_id)s

-- name: find
-- One claim, whoever asks.
SELECT id, serial, area_id, household_id, patient_id, label, opened_at, opened_by, node_id,
       issued_at, completed_at, ended_at
FROM claim WHERE id = %(claim_id)s

-- name: visible
-- The open claims in the scope of who asks: of a patient, else of a node or area.
SELECT id, serial, area_id, household_id, patient_id, label, opened_at, opened_by, node_id,
       issued_at, completed_at, ended_at
FROM claim
WHERE ended_at IS NULL
  AND (patient_id IN (SELECT * FROM visible_patients(%(staff_id)s))
       OR node_id IN (SELECT * FROM visible_nodes(%(staff_id)s))
       OR (patient_id IS NULL AND (area_id IN (SELECT * FROM staff_areas(%(staff_id)s))
                                   OR is_administrator(%(staff_id)s))))
ORDER BY opened_at DESC, id DESC

-- name: issued
-- The unit was told who it is from now on.
UPDATE claim SET node_id = %(node_id)s, issued_at = %(now)s WHERE id = %(claim_id)s

-- name: end
-- The unit belongs to nobody any more.
UPDATE claim SET ended_at = %(now)s WHERE id = %(claim_id)s AND ended_at IS NULL

-- name: seen_ready
-- Claims whose node was seen ready with what it was given.
SELECT claim.id, claim.serial, claim.node_id
FROM claim JOIN node_state ON node_state.node_id = claim.node_id
WHERE claim.issued_at IS NOT NULL AND claim.completed_at IS NULL AND claim.ended_at IS NULL
  AND node_state.state = 'ready' AND node_state.seen_at >= claim.issued_at

-- name: complete
-- From now on the claim code opens nothing.
UPDATE claim SET completed_at = %(now)s WHERE id = ANY(%(claim_id)s)

-- name: failed
-- Somebody typed a wrong code, or sent a wrong proof.
INSERT INTO claim_failure (serial, address, what, at)
VALUES (%(serial)s, %(address)s, %(what)s, %(at)s)

-- name: wrong_proofs
-- When this unit sent wrong proofs, the newest first.
SELECT at FROM claim_failure
WHERE serial = %(serial)s AND what = 'proof' AND at > %(since)s ORDER BY at DESC LIMIT 64

-- name: wrong_codes
-- How often a wrong code was typed: from this address for this unit, and from this address.
SELECT count(*) FILTER (WHERE serial = %(serial)s) AS pair,
       max(at) FILTER (WHERE serial = %(serial)s) AS pair_at,
       count(*) AS address, max(at) AS address_at
FROM claim_failure
WHERE address = %(address)s AND what = 'code' AND at > %(since)s

-- name: forgive
-- The right proof came, or the right code from this address: what was wrong before is past.
DELETE FROM claim_failure
WHERE serial = %(serial)s AND what = %(what)s AND address IS NOT DISTINCT FROM %(address)s

-- name: one_at_a_time
-- Nobody else tries codes from this address until the transaction ends.
SELECT pg_advisory_xact_lock(4851010, hashtext(%(address)s))

-- name: forget
-- Failures nobody counts any more.
DELETE FROM claim_failure WHERE at < %(before)s
