"""What nobody knows yet: keys, words and vital signs of a later version, and of one maker alone."""

import contextlib
import functools
from datetime import UTC, datetime
from typing import Any

import pytest

from contract.errors import ERRORS
from firmware_sim.robot import signals
from store import configuration
from tests.contract_on_mqtt.conftest import Rows, StartRobot

PROVOKED = ("W2003",)
BOTH = pytest.mark.parametrize("encoding", ["json", "cbor"])


@BOTH
async def test_the_hub_takes_what_it_does_not_know(
    start_robot: StartRobot, rows: Rows, encoding: str
) -> None:
    """Unknown keys are ignored, unknown words kept as they are, an unknown vital sign is put
    aside whole; nothing of it hinders what is known."""
    robot = await start_robot(encoding=encoding)
    later = {"colour": "blue", "x_acme": {"deep": [1]}}
    aura = {"k": "aura", "dev": "cuff1", "o": [0], "y": [7], **later}
    known = signals.pressure(141, 92, how="telepathic", pos="floating", **later)
    seq = robot.observe([aura, known], **later)
    robot.call("levitation", sev="astral", **later)
    robot.send("ack", {"acks": [{"id": "nothing", "st": "astonished", **later}]})
    robot.state("dreaming")
    await robot.receipted()
    node = robot.access.node
    stored = "SELECT v0, context FROM reading WHERE (node_id, boot, seq) = (%s, %s, %s)"
    ((sys, context),) = await rows.all(stored, node, robot.outbox.boot, seq)
    assert sys == 141
    assert (context["how"], context["pos"]) == ("telepathic", "floating")
    aside = "SELECT code, path, payload FROM reject WHERE node_id = %s"
    ((code, path, payload),) = await rows.all(aside, node)
    assert (code, path) == ("W2001", "/ser/0/k")
    assert b"aura" in payload
    assert await rows.all("SELECT type, severity FROM event WHERE node_id = %s", node) == [
        ("levitation", "astral")
    ]
    await rows.until("SELECT 1 FROM node_state WHERE node_id = %s AND state = 'dreaming'", node)


@BOTH
async def test_in_developer_mode_the_maker_is_told(
    start_robot: StartRobot, rows: Rows, encoding: str
) -> None:
    """Every message is echoed as it was stored; a misspelt key is named with its place, one of
    the maker's own (x_) is not."""
    robot = await start_robot(encoding=encoding)
    now = datetime.now(UTC)
    put = {"dev": 1, "enc": encoding}
    await configuration.change(rows.conn, robot.access.node, put=put, by="test", now=now)
    await robot.until(lambda: robot.settings.value("dev") == 1)
    await robot.receipted()

    async def misspelt() -> int:
        seq = robot.observe([signals.pressure(141, 92, sight="upper_arm_l", x_arm="left")])
        await robot.receipted_upto(seq)
        return seq

    def echoed(seq: int) -> list[dict[str, Any]]:
        said = [fb for kind, fb in robot.received if kind == "fb" and "echo" in fb]
        return [fb for fb in said if fb["ref"].get("seq") == seq]

    # Who a node is, is believed for a moment: the first one may be from before.
    for _ in range(20):
        seq = await misspelt()
        with contextlib.suppress(TimeoutError):
            await robot.until(functools.partial(echoed, seq), 0.5)
            break
    told = await robot.heard("fb", lambda fb: fb.get("code") == "W2003")
    known = ERRORS["W2003"]
    assert (told["name"], told["retry"], told["ok"]) == (known.name, False, True)
    assert (told["path"], told["hint"]) == ("/ser/0/sight", known.en.hint)
    assert (told["kept"], told["doc"]) == (1, "errors#W2003")
    own = [fb for kind, fb in robot.received if kind == "fb" and "x_arm" in fb.get("path", "")]
    assert own == []
    (one,) = echoed(seq)
    assert (one["ok"], one["st"]) == (True, "stored")
    assert "141" in str(one["echo"])


async def test_the_robot_takes_what_it_does_not_know(start_robot: StartRobot) -> None:
    """Words of a later hub do no harm, and neither does what is no message at all."""
    robot = await start_robot()
    take = robot.hearing.take
    topic = f"hh/1/dn/{robot.access.node}"
    take("hh/1/hub/status", b'{"s":"meditating","spec":"1.7","mood":"calm"}', False)
    assert robot.hub == "meditating"
    take(f"{topic}/fb", b'{"v":0,"t":1,"ok":true,"st":"levitated","x_y":1}', False)
    take(f"{topic}/oracle", b'{"v":0}', False)
    take("hh/1/hub/status", b'{"s":"ready","spec":"1.0"}', False)
    hostile = [b"\xff\xfe", b"[" * 5000, b"{" * 5000, b'{"s":1e999}', b"\x00", b"null", b'{"a":',
               b"\xa1", b"\xbf\x61", b'{"rev":"x","items":3}', b'{"exp":null}'] * 18  # fmt: skip
    for payload in hostile:
        for kind in ("cmd", "plan", "reminder", "config", "fw", "fb", "time"):
            take(f"{topic}/{kind}", payload, False)
    assert robot.hearing.unreadable > 500
    robot.observe([signals.pressure(120, 80)])
    await robot.receipted()
