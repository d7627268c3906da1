"""Everything a device says, in MQTT 3.1.1 and 5, in JSON and CBOR: stored as it should be."""

import itertools
from typing import Any

import pytest

from contract.instants import from_millis, to_millis
from firmware_sim.robot import signals
from firmware_sim.robot.access import Make
from firmware_sim.robot.device import Robot
from tests.contract_on_mqtt.conftest import LiveHub, Rows, StartRobot

WAYS = list(itertools.product((3, 5), ("json", "cbor")))
every_way = pytest.mark.parametrize(("mqtt", "encoding"), WAYS)
MAKE = Make(maker="acme", model="G2", firmware="2.4.1", hardware="B")


@every_way
async def test_every_kind_is_stored(
    hub: LiveHub, start_robot: StartRobot, rows: Rows, mqtt: int, encoding: str
) -> None:
    """Description, state, measurements, waveform, call and cancel, answers, diagnostics, time."""
    robot = await start_robot(mqtt=mqtt, encoding=encoding, make=MAKE)
    node = robot.access.node
    answer = await robot.heard("time")
    assert answer["t1"] <= answer["t2"] + 5_000
    assert answer["t2"] <= answer["t3"]
    product = "SELECT maker, model, hardware, firmware FROM node WHERE id = %s AND firmware <> ''"
    assert await rows.until(product, node) == [("acme", "G2", "B", "2.4.1")]
    await check_state(robot, rows)
    await check_measurements(robot, rows, hub)
    await check_recording(robot, rows)
    await check_call(robot, rows)
    await check_diagnostics(robot, rows)
    assert [fb for kind, fb in robot.received if kind == "fb" and fb.get("code")] == []
    assert await rows.all("SELECT code FROM reject WHERE node_id = %s", node) == []


async def check_state(robot: Robot, rows: Rows) -> None:
    """The retained state, with what it holds and how its devices are."""
    wanted = "SELECT state, con, boot, battery, subs FROM node_state WHERE node_id = %s"
    ((state, con, boot, battery, subs),) = await rows.until(wanted, robot.access.node)
    assert (state, con, boot, battery) == ("ready", robot.con, robot.outbox.boot, 80)
    assert subs == {"cuff1": "ready", "ox1": "ready", "patch1": "ready"}


async def check_measurements(robot: Robot, rows: Rows, hub: LiveHub) -> None:
    """A pressure is one reading, a regular series a block; both show over REST."""
    more = {"fl": ["ihb"], "pos": "sitting", "site": "upper_arm_l", "rec": 7}
    sys = 140 + len(robot.access.node) + robot.habits.mqtt
    oxygen, pulse = signals.oxygen(5)
    oxygen["y"][2] = None
    sent = [oxygen, pulse, signals.pressure(sys, 91, 72, **more)]
    seq = robot.observe(sent)
    await robot.receipted()
    keys = robot.access.node, robot.outbox.boot, seq
    found = await rows.all(
        "SELECT kind, v0, v1, v3, flags, clock::text, context, patient_id, ordinal, measured_at"
        " FROM reading WHERE (node_id, boot, seq) = (%s, %s, %s)", *keys)  # fmt: skip
    (at,) = (row[-1] for row in found)
    context = {"pos": "sitting", "site": "upper_arm_l"}
    assert [row[:-1] for row in found] == [("bp", sys, 91, 72, 8, "hub", context, hub.patient, 7)]
    blocks = await rows.all(
        "SELECT kind, samples, step_ms, start_at FROM block"
        " WHERE (node_id, boot, seq) = (%s, %s, %s) ORDER BY kind", *keys)  # fmt: skip
    assert blocks == [("pr", pulse["y"], 1000, at), ("spo2", oxygen["y"], 1000, at)]
    instant = from_millis(to_millis(at)).isoformat()
    told = hub.api("GET", f"/patients/{hub.patient}/readings", params={"since": instant})
    assert sys in [reading["values"]["sys"] for reading in told["readings"]]


async def check_recording(robot: Robot, rows: Rows) -> None:
    """Three chunks of an electrocardiogram, each with its samples as they were measured."""
    chunks = list(signals.recording(f"ep{robot.outbox.boot}", chunks=3, chunk_s=1.0))
    for chunk in chunks:
        robot.send("wave", chunk)
    await robot.receipted()
    found = await rows.all(
        "SELECT chunk, samples, hz, channels, encoding, scale, unit, last, data FROM wave_chunk"
        " WHERE node_id = %s ORDER BY chunk", robot.access.node)  # fmt: skip
    shape = 250, 250.0, ["I"], "i16le", signals.STEP_MV, "mV"
    assert found == [(n, *shape, n == 2, chunk["d"]) for n, chunk in enumerate(chunks)]


async def check_call(robot: Robot, rows: Rows) -> None:
    """A call lands, is accepted at once with words for the person, and can be withdrawn."""
    name = robot.call("call_doctor", ctx={"room": "r2"})
    told = await robot.heard("fb", lambda fb: fb.get("st") == "accepted")
    assert told["ref"]["id"] == name
    assert {"zh-CN", "en"} <= told["say"].keys()
    robot.cancel(name)
    await robot.receipted()
    found = await rows.all(
        "SELECT event_id, type, severity, ref, body->'ctx' FROM event WHERE node_id = %s"
        " ORDER BY id", robot.access.node)  # fmt: skip
    assert found[0] == (name, "call_doctor", "critical", None, {"room": "r2"})
    assert (found[1][1], found[1][3]) == ("cancel", name)


async def check_diagnostics(robot: Robot, rows: Rows) -> None:
    """Numbers and log lines, lossy and not counted."""
    robot.diagnose(rss_mb=21.5)
    ((metrics, log),) = await rows.until(
        "SELECT metrics, log FROM node_diag WHERE node_id = %s", robot.access.node)  # fmt: skip
    assert metrics == {"rss_mb": 21.5}
    assert all(line["msg"] for line in log)


async def test_both_encodings_make_the_same_rows(start_robot: StartRobot, rows: Rows) -> None:
    """The same numbers said in JSON and in CBOR differ in nothing but who said them."""
    said = [
        *signals.oxygen(120),
        {"k": "temp", "dev": "ox1", "o": [0, 1], "y": [36.6, None]},
        {"k": "glu", "dev": "ox1", "u": "mg/dL", "o": [2], "y": [99.9]},
        signals.pressure(135.5, 88, who="A", how="spot", ses={"id": "s1", "n": 1, "of": 2}),
        signals.pressure(25, 21) | {"rec": 2**40},
    ]
    found: dict[str, Any] = {}
    for encoding in ("json", "cbor"):
        robot = await start_robot(encoding=encoding)
        # The hub's answer to the time request may have come by now, or not: the clock is named.
        at = {"t": 1_795_354_700_000, "clk": "ntp"}
        robot.send("obs", {"ser": said, "cerr": 40} | at)
        for chunk in signals.recording("ep1", chunks=1):
            robot.send("wave", chunk | {"sc": 0.1} | at)
        await robot.receipted()
        found[encoding] = [await rows.all(each, robot.access.node) for each in _SAME]
    assert found["json"] == found["cbor"]
    assert [len(each) for each in found["json"]] == [4, 2, 1]


_READINGS = (
    "SELECT kind, measured_at, ordinal, v0, v1, v2, v3, flags, clock, claimed_at, who, session_id,"
    " context, original, sent_at, fix FROM reading WHERE node_id = %s ORDER BY kind, ordinal"
)
_BLOCKS = (
    "SELECT kind, start_at, part, step_ms, samples, quality, flags, clock, who, context"
    " FROM block WHERE node_id = %s ORDER BY kind"
)
_CHUNKS = (
    "SELECT kind, recording, chunk, started_at, hz, samples, channels, encoding, scale, zero, unit,"
    " last, data, clock FROM wave_chunk WHERE node_id = %s"
)
_SAME = (_READINGS, _BLOCKS, _CHUNKS)


@every_way
async def test_a_robot_that_vanishes_is_lost_and_comes_back(
    start_robot: StartRobot, rows: Rows, mqtt: int, encoding: str
) -> None:
    """The will says `lost`; the next connect counts on, and an old `lost` changes nothing."""
    robot = await start_robot(mqtt=mqtt, encoding=encoding)
    await rows.until("SELECT 1 FROM node_state WHERE node_id = %s AND con = 1", robot.access.node)
    await robot.pull_network()
    await robot.until(lambda: robot.online and robot.con == 2)
    back = "SELECT 1 FROM node_state WHERE node_id = %s AND con = 2 AND state = 'ready'"
    await rows.until(back, robot.access.node)
    robot.mischief.old_con = 1
    robot.state("lost")
    robot.observe([signals.pressure(120, 80)])
    await robot.receipted()
    assert await rows.all(back, robot.access.node)
