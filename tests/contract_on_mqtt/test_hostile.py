"""Whatever comes on the wire: answered or dropped, and the next good message is stored."""

import json
import time

import pytest

from firmware_sim.robot import signals
from firmware_sim.robot.encoding import to_bytes
from tests.contract_on_mqtt.conftest import Rows, StartRobot

_BP = {"k": "bp", "dev": "cuff1", "o": [0], "c": {"sys": [148], "dia": [91]}}
_ENVELOPE = '{"v":0,"boot":1,"seq":0,"rc":1,'
HOSTILE = {
    "binary": bytes(range(256)) * 4,
    "deep arrays": b'{"a":' + b"[" * 100_000,
    "deep maps": b'{"a":' * 20_000,
    "deep CBOR": b"\xa1\x61a" + b"\x81" * 100_000,
    "endless CBOR": b"\xbf" + b"\x61a\x01" * 30_000,
    "CBOR of four gigabytes": b"\xa1\x61a\x5a\xff\xff\xff\xff",
    "CBOR map of 2^63": b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff",
    "CBOR shared": b"\xa1\x61a\xd8\x1c\x81\xd8\x1d\x00",
    "long number": b'{"v":' + b"9" * 130_000 + b"}",
    "long CBOR number": b"\xa1\x61v\xc2\x5a\x00\x01\x00\x00" + b"\xff" * 65_536,
    "tiny exponent": (_ENVELOPE + '"t":1e-99999999,"ser":[]}').encode(),
    "huge exponent": (_ENVELOPE + '"t":1e99999999,"ser":[]}').encode(),
    "a key written twice": (_ENVELOPE + '"seq":1,"ser":[],"ser":[]}').encode(),
    "many keys": b"{" + b",".join(b'"k%d":0' % n for n in range(12_000)) + b"}",
    "lone surrogate": (_ENVELOPE + '"clk":"\\ud800","ser":[]}').encode(),
    "NUL in a key": (_ENVELOPE + '"\\u0000":1,"ser":[]}').encode(),
    "half a character": b'{"v":"\xe4\xb8',
    "UTF-16": '{"v":0}'.encode("utf-16"),
    "negative times": json.dumps(
        {"v": 0, "boot": 2, "seq": 0, "t": -(2**53), "ser": [_BP]}
    ).encode(),
    "times of 2099": json.dumps(
        {"v": 0, "boot": 3, "seq": 0, "t": 4_070_908_800_000, "ser": [_BP]}
    ).encode(),
    "SQL": json.dumps({"v": 0, "boot": 4, "seq": 0, "clk": "'; DROP TABLE node;--",
                       "ser": [_BP | {"who": "' OR 1=1"}]}).encode(),
}  # fmt: skip
KINDS = ("obs", "wave", "event", "ack", "res", "birth", "state", "config", "diag", "time", "x")


@pytest.mark.parametrize("kind", KINDS)
async def test_no_message_blocks_the_next(start_robot: StartRobot, rows: Rows, kind: str) -> None:
    """All of it on one kind, then a good reading: stored; the hub is ready all the time and the
    node's connection has never been cut."""
    robot = await start_robot()
    for payload in HOSTILE.values():
        robot.raw(kind, payload)
    seq = robot.observe([signals.pressure(123, 81)])
    await robot.receipted()
    stored = "SELECT v0 FROM reading WHERE (node_id, boot, seq) = (%s, %s, %s)"
    assert await rows.all(stored, robot.access.node, robot.outbox.boot, seq) == [(123.0,)]
    assert robot.con == 1
    assert {body["s"] for k, body in robot.received if k == "status"} == {"ready"}


async def test_an_unreadable_call_for_help_still_lands(start_robot: StartRobot, rows: Rows) -> None:
    """A call with a fault in it is a call: in both encodings, torn, misspelt, from a broken
    clock; each is answered."""
    robot = await start_robot()
    now = time.time_ns() // 1_000_000
    call = {
        "v": 0,
        "boot": 9,
        "seq": 1,
        "id": "torn",
        "t": now,
        "type": "call_doctor",
        "cb": "voip",
    }
    for n, broken in enumerate(
        (
            to_bytes(call | {"sev": 5, "id": "typed"}, "json"),
            to_bytes(call | {"sev": 5, "id": "typed2"}, "cbor"),
            to_bytes(call, "json")[:-4],
            to_bytes(call | {"t": 2**53, "id": "clock"}, "cbor"),
        )
    ):
        robot.raw("event", broken)
        count = "SELECT 1 FROM event WHERE node_id = %s AND type = 'call_doctor' OFFSET %s"
        await rows.until(count, robot.access.node, n)
    assert len([1 for k, fb in robot.received if k == "fb" and fb.get("st") == "accepted"]) >= 3
