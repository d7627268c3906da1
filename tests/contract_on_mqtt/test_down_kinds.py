"""Everything the hub says, in MQTT 3.1.1 and 5, to a robot that sends JSON or CBOR: it arrives,
is understood and answered, and the answer is noted."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from contract.instants import to_millis
from contract.messages import Reminder
from firmware_sim.robot.device import Robot
from store import command, configuration, outbound
from tests.contract_on_mqtt.conftest import LiveHub, Rows, StartRobot
from tests.contract_on_mqtt.test_up_kinds import every_way

IN_A_MINUTE = timedelta(minutes=1)


async def order(rows: Rows, robot: Robot, op: str, **args: Any) -> str:
    """Give a command as the hub's rooms do; its id."""
    name, now = f"c{secrets.token_hex(6)}", datetime.now(UTC)
    await command.request(
        rows.conn,
        command_id=name,
        node_id=robot.access.node,
        op=op,
        args=args,
        episode_id=None,
        created_by="engine",
        now=now,
        expires_at=now + IN_A_MINUTE,
    )
    return name


async def outcome(rows: Rows, name: str, *states: str) -> tuple[Any, ...]:
    """The command's state, `out` and session once it is in one of these states."""
    wanted = (
        "SELECT state::text, out, session_id FROM command WHERE id = %s AND state::text = ANY(%s)"
    )
    return (await rows.until(wanted, name, list(states or ("ok",))))[0]


@every_way
async def test_every_kind_arrives_and_is_answered(
    hub: LiveHub, start_robot: StartRobot, rows: Rows, mqtt: int, encoding: str
) -> None:
    """Plan, reminder, commands, configuration, time, feedback and the hub's status."""
    robot = await start_robot(mqtt=mqtt, encoding=encoding)
    assert robot.hub == "ready"
    await check_plan(hub, robot, rows)
    await check_reminder(robot, rows)
    await check_commands(robot, rows)
    await check_configuration(robot, rows, encoding)
    await robot.heard("time")
    await robot.receipted()
    assert robot.hearing.unreadable == 0
    assert await rows.all("SELECT code FROM reject WHERE node_id = %s", robot.access.node) == []


async def check_plan(hub: LiveHub, robot: Robot, rows: Rows) -> None:
    """A medicine: on the device, confirmed, and its first dose taken, so in the books."""
    item = {"drug": "氨氯地平", "dose_text": "1 片", "times": ["08:00"]}
    path = f"/patients/{hub.patient}/plan/items"
    ask = {"json": item | {"node_id": robot.access.node}}
    await asyncio.to_thread(hub.api, "POST", path, **ask)
    plan = await robot.heard("plan")
    (held,) = plan["items"]
    assert "氨氯地平" in held["text"]["zh-CN"]
    confirmed = "SELECT 1 FROM plan WHERE node_id = %s AND confirmed_revision = %s"
    await rows.until(confirmed, robot.access.node, plan["rev"])
    first = held["occ"][0][1]
    robot.acknowledge({"id": first, "st": "taken", "at": robot.watch.millis(), "by": "button"})
    await rows.until("SELECT 1 FROM dose WHERE id = %s AND state = 'taken'", first)


async def check_reminder(robot: Robot, rows: Rows) -> None:
    """A single reminder: shown once, acknowledged."""
    now = datetime.now(UTC)
    text = {"zh-CN": "请测量血压", "en": "Please measure"}
    ask = Reminder(
        v=0,
        id=f"m{secrets.token_hex(4)}",
        at=to_millis(now),
        exp=to_millis(now + IN_A_MINUTE),
        text=text,
        kind="measure",
    )
    await outbound.put_reminder(
        rows.conn, node_id=robot.access.node, reminder=ask, now=now, expires_at=now + IN_A_MINUTE
    )
    await robot.until(lambda: text in robot.screen)
    await robot.receipted()
    assert robot.screen.count(text) == 1


async def check_commands(robot: Robot, rows: Rows) -> None:
    """Each command of the specification, and one nobody knows."""
    ask = {"qid": "q1", "text": {"en": "Any pain?"}, "options": [{"id": "yes"}, {"id": "no"}]}
    names = {
        "measure_now": await order(rows, robot, "measure_now", k="bp"),
        "ask": await order(rows, robot, "ask", **ask),
        "speak": await order(rows, robot, "speak", text={"en": "Good morning"}),
        "call": await order(rows, robot, "call", to="team"),
        "log": await order(rows, robot, "log"),
        "selftest": await order(rows, robot, "selftest"),
        "rebirth": await order(rows, robot, "rebirth"),
    }
    _, _, session = await outcome(rows, names["measure_now"])
    stored = "SELECT v0 FROM reading WHERE node_id = %s AND session_id = %s"
    assert await rows.until(stored, robot.access.node, session) == [(138.0,)]
    assert (await outcome(rows, names["ask"]))[1] == {"qid": "q1", "answer": "yes"}
    assert (await outcome(rows, names["selftest"]))[1] == {"birth": True, "time": True}
    for name in names.values():
        assert (await outcome(rows, name))[0] == "ok"
    boot = robot.outbox.boot
    await check_resend(robot, rows, boot)
    await outcome(rows, await order(rows, robot, "reboot"))
    assert robot.outbox.boot != boot


async def check_resend(robot: Robot, rows: Rows, boot: int) -> None:
    """What was withheld comes when it is asked for; what is gone is said to be."""
    robot.mischief.withheld = {robot.outbox.add("obs", {}, 0.0).seq}
    robot.outbox.forget(boot, next(iter(robot.mischief.withheld)))
    seq = robot.observe([{"k": "wt", "dev": "cuff1", "o": [0], "y": [71]}])
    await robot.receipted_upto(seq)
    asked = await order(rows, robot, "resend", boot=boot, **{"from": seq - 1, "to": seq})
    _, out, _ = await outcome(rows, asked)
    assert out == {"sent": [[seq, seq]], "gone": [[seq - 1, seq - 1]]}


async def check_configuration(robot: Robot, rows: Rows, encoding: str) -> None:
    """What is wanted is applied and reported, in the other encoding from then on; what a device
    cannot take keeps its old value, with the reason and the place."""
    now, other = datetime.now(UTC), "json" if encoding == "cbor" else "cbor"
    put = {"enc": other, "volume": 30, "x_acme_led": 1}
    node = robot.access.node
    wanted = await configuration.change(rows.conn, node, put=put, by="test", now=now)
    assert (await robot.heard("config"))["rev"] == wanted.revision
    report = "SELECT applied, errors FROM node_config WHERE node_id = %s AND reported_revision = %s"
    ((applied, errors),) = await rows.until(report, node, wanted.revision)
    assert (applied["enc"], applied["volume"], applied["lang"]) == (other, 30, "zh-CN")
    assert [error["path"] for error in errors] == ["/x_acme_led"]
    assert robot.settings.encoding == other
    seq = robot.observe([{"k": "wt", "dev": "cuff1", "o": [0], "y": [72]}])
    await robot.receipted_upto(seq)
    stored = "SELECT v0 FROM reading WHERE (node_id, boot, seq) = (%s, %s, %s)"
    assert await rows.all(stored, node, robot.outbox.boot, seq) == [(72.0,)]


async def test_a_command_is_carried_out_once_and_never_late(
    start_robot: StartRobot, rows: Rows
) -> None:
    """The same id again gets the same answer; after its time it is answered `expired`; what
    nobody knows is `unsupported`."""
    robot = await start_robot()
    late = {"id": "late1", "op": "speak", "args": {"text": {}}, "exp": 1_795_354_700_000}
    again = {"id": "twice1", "op": "speak", "args": {"text": {"en": "Once"}}, "exp": 2**52}
    newer = {"id": "new1", "op": "dance", "args": {}, "exp": 2**52, "x_speed": 3}
    for body in (late, again, again, newer):
        robot.hearing.orders.take(body)
    await robot.receipted()
    said = [m.body for m in robot.outbox.all() if m.kind == "res"]
    assert [(b["id"], b["st"]) for b in said if b["st"] != "accepted"] == [
        ("late1", "expired"),
        ("new1", "unsupported"),
        ("twice1", "ok"),
    ]
    assert robot.screen == [{"en": "Once"}]
