-- name: add
-- Somebody who measures at home.
INSERT INTO patient (name, sex, birth_date, phone, area_id, team_id, pseudonym, locale, conditions,
                     frail, target_sys, target_dia, expect_reading_every_s, created_at)
VALUES (%(name)s, %(sex)s, %(birth_date)s, %(phone)s, %(area_id)s, %(team_id)s, %(pseudonym)s,
        %(locale)s, %(conditions)s, %(frail)s, %(target_sys)s, %(target_dia)s,
        %(expect_reading_every_s)s, %(now)s)
RETURNING id, name, sex, birth_date, phone, area_id, team_id, household_id, pseudonym, locale,
          conditions, frail, target_sys, target_dia, expect_reading_every_s, created_at, archived_at

-- name: find
-- One patient, whoever asks; for the administration.
SELECT id, name, sex, birth_date, phone, area_id, team_id, household_id, pseudonym, locale,
       conditions, frail, target_sys, target_dia, expect_reading_every_s, created_at, archived_at
FROM patient WHERE id = %(patient_id)s

-- name: find_visible
-- One patient, if in the scope of who asks.
SELECT id, name, sex, birth_date, phone, area_id, team_id, household_id, pseudonym, locale,
       conditions, frail, target_sys, target_dia, expect_reading_every_s, created_at, archived_at
FROM patient
WHERE id = %(patient_id)s AND id IN (SELECT * FROM visible_patients(%(staff_id)s))

-- name: every
-- All patients; for the administration.
SELECT id, name, sex, birth_date, phone, area_id, team_id, household_id, pseudonym, locale,
       conditions, frail, target_sys, target_dia, expect_reading_every_s, created_at, archived_at
FROM patient WHERE archived_at IS NULL ORDER BY id

-- name: visible
-- The patients in the scope of who asks, by id, after a given one.
SELECT id, name, sex, birth_date, phone, area_id, team_id, household_id, pseudonym, locale,
       conditions, frail, target_sys, target_dia, expect_reading_every_s, created_at, archived_at
FROM patient
WHERE archived_at IS NULL AND id > %(after)s AND id IN (SELECT * FROM visible_patients(%(staff_id)s))
ORDER BY id LIMIT %(limit)s

-- name: profile
-- Which limits hold for the patient: those of the team, 'cn' without one.
SELECT coalesce((SELECT team.profile FROM team JOIN patient ON patient.team_id = team.id
                 WHERE patient.id = %(patient_id)s), 'cn')

-- name: add_household
-- A home: the people and the node in it.
INSERT INTO household (area_id, team_id, label) VALUES (%(area_id)s, %(team_id)s, %(label)s)
RETURNING id

-- name: move_in
-- The patient lives there.
UPDATE patient SET household_id = %(household_id)s WHERE id = %(patient_id)s
