INSERT INTO area (name, level) VALUES ('柳林村', 'village');
INSERT INTO team (name, area_id) SELECT '柳林家庭医生团队', id FROM area;
INSERT INTO patient (name, pseudonym, area_id, team_id) SELECT '王桂兰', 'r:4hz8q0t1n7vb2k9d', area.id, team.id FROM area, team;
INSERT INTO patient_time_zone SELECT id, '2026-02-10', 'Asia/Urumqi' FROM patient;
INSERT INTO node (id, area_id, label) SELECT 'oldnode1', id, '堂屋网关' FROM area;
INSERT INTO device (node_id, dev) VALUES ('oldnode1', 'cuff1'), ('oldnode1', 'ox1');

CREATE TABLE reading_2026_01 PARTITION OF reading FOR VALUES FROM ('2026-01-01Z') TO ('2026-02-01Z');
CREATE TABLE reading_2026_02 PARTITION OF reading FOR VALUES FROM ('2026-02-01Z') TO ('2026-03-01Z');
CREATE TABLE block_2026_02 PARTITION OF block FOR VALUES FROM ('2026-02-01Z') TO ('2026-03-01Z');
INSERT INTO reading (device_id, kind, measured_at, patient_id, v0, v1, v3, clock, node_id, boot,
    seq, sent_at, received_at)
SELECT device.id, 'bp', timestamptz '2026-01-20 23:30Z' + n * interval '12 hours',
    CASE WHEN n % 7 > 0 THEN patient.id END, 130 + n, 80, 70, 'ntp', 'oldnode1', 1, n,
    timestamptz '2026-03-01Z', timestamptz '2026-03-01Z'
FROM device, patient, generate_series(0, 59) AS n WHERE device.dev = 'cuff1';
INSERT INTO block (device_id, kind, start_at, step_ms, samples, patient_id, clock, node_id, boot,
    seq, received_at)
SELECT device.id, 'spo2', timestamptz '2026-02-03Z' + n * interval '1 minute', 1000,
    array_fill(97::real, ARRAY[60]), patient.id, 'ntp', 'oldnode1', 1, 1000 + n, '2026-03-01Z'
FROM device, patient, generate_series(0, 119) AS n WHERE device.dev = 'ox1';
INSERT INTO reading_conflict (device_id, kind, measured_at, ordinal, patient_id, v0, v1, flags,
    node_id, boot, seq, received_at)
SELECT device_id, kind, measured_at, ordinal, patient_id, 199, 99, 0, 'oldnode1', 1, 5000 + again,
    '2026-03-01Z'
FROM reading, generate_series(0, 1) AS again WHERE seq = 3;
INSERT INTO reading_history (device_id, kind, measured_at, ordinal, before, reason, actor)
SELECT device_id, kind, measured_at, ordinal, '{"values": [1, 2, null, null]}', 'corrected', 'oldnode1'
FROM reading WHERE seq = 4;
INSERT INTO message (node_id, boot, seq, kind, digest, received_at)
SELECT 'oldnode1', 1, n, 'obs', n, '2026-03-01Z' FROM generate_series(0, 59) AS n;
INSERT INTO reject (received_at, topic, code, reason, payload)
VALUES ('2026-03-01Z', 'hh/1/up/oldnode1/obs', 'E2001', 'not JSON', '\x00ff');
INSERT INTO wave_chunk (device_id, recording, chunk, kind, patient_id, started_at, hz, samples,
    channels, encoding, scale, zero, data, clock, node_id, boot, seq, received_at)
SELECT device.id, 'r1', 0, 'ecg', patient.id, '2026-02-03Z', 250, 4, '{I}', 'i8', 0.1, 0,
    '\x00010203', 'ntp', 'oldnode1', 1, 9000, '2026-03-01Z'
FROM device, patient WHERE device.dev = 'ox1';
INSERT INTO batch (id, kind, payload, items) VALUES (nextval('batch_id'), 'ingest', '\x90', 0);
