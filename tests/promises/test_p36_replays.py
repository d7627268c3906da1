"""Promise 36: a captured message that comes again a day later is stored at most once and alarms
nobody twice; a command has an id and a time, and the device does not carry an old one out again."""

import json
from pathlib import Path
from typing import Any

from firmware_sim.robot.access import Access
from firmware_sim.robot.device import Robot
from firmware_sim.robot.memory import Memory
from ingest.settings import IngestSettings
from store.pool import Connection
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import NODE, Device, count, now_ms, running, until, until_count
from tests.promises.judged import judged
from tests.promises.stepped import SteppedClock
from tests.promises.wire import Wire

DAY = 86_400


def captured() -> list[tuple[str, bytes]]:
    """Valid messages as they went over the line: a severe pressure with a time, one without, a
    call for help and a taken pill."""
    severe = [{"k": "bp", "o": [0], "c": {"sys": [212], "dia": [126]}}]
    own: list[tuple[str, dict[str, Any]]] = [
        ("obs", {"ser": severe}),
        ("obs", {"ser": severe, "t": None, "clk": "none", "up": 9000}),
        ("event", {"type": "sos", "id": "e1", "sev": "critical"}),
        ("ack", {"acks": [{"id": "d1", "st": "taken"}]}),
    ]
    said = []
    for seq, (kind, body) in enumerate(own):
        envelope = {"v": 0, "boot": 3, "seq": seq, "t": now_ms(), "clk": "ntp", "rc": 1}
        message = {key: value for key, value in (envelope | body).items() if value is not None}
        said.append((kind, json.dumps(message).encode()))
    return said


async def test_p36_a_replay_after_a_day_changes_nothing(
    broker: LiveBroker,
    device: Device,
    people: Connection,
    settings: IngestSettings,
    database_url: str,
) -> None:
    """Byte by byte, from a connection of its own, by the hub's clock a day later: the same rows,
    the same items of the feed, the same episodes."""
    clock = SteppedClock()
    async with running(settings, clock):
        await until(lambda: "ready" in device.statuses())
        messages = captured()
        for kind, payload in messages:
            device.raw(kind, payload)
        await until_count(people, "message", 4)
        before = await judged(people, database_url, clock)
        assert sorted({e["rule"] for e in before}) == ["call_for_help", "severe_pressure"]
        fed = await count(people, "batch")
        device.close()
        clock.step(DAY)
        with Wire(broker, NODE) as wire:
            for packet_id, (kind, payload) in enumerate(messages, 1):
                wire.send(wire.publish(f"hh/1/up/{NODE}/{kind}", payload, packet_id))
            mark = {"v": 0, "boot": 3, "seq": 4, "t": now_ms(), "clk": "ntp"}
            mark["ser"] = [{"k": "wt", "o": [0], "y": [70]}]
            wire.send(wire.publish(f"hh/1/up/{NODE}/obs", json.dumps(mark).encode(), 9))
            wire.taken(5)
            await until_count(people, "message", 5)
    assert await count(people, "reading") == 3
    assert await count(people, "event") == 1
    assert await count(people, "batch") == fed + 1  # the weight
    after = await judged(people, database_url, clock)
    assert [(e["rule"], e["onset_at"]) for e in after] == [
        (e["rule"], e["onset_at"]) for e in before
    ]


def robot(memory: Path) -> Robot:
    """A robot with this memory, switched on where no hub is."""
    access = Access(host="127.0.0.1", port=1, node=NODE, password=NODE)
    return Robot(access, memory=Memory(memory))


def take(robot: Robot, *commands: dict[str, Any]) -> list[tuple[str, str]]:
    """Give it commands; what it answers, beside that it heard them."""
    known = len(robot.outbox.all())
    for command in commands:
        robot.hearing.orders.take(command)
    said = [message.body for message in robot.outbox.all()[known:] if message.kind == "res"]
    return [(body["id"], body["st"]) for body in said if body["st"] != "accepted"]


async def test_p36_an_old_command_is_not_carried_out_again(tmp_path: Path) -> None:
    """A captured command whose time is over is answered `expired`; one that was carried out is
    answered as before and not done again, also after the robot had no power in between."""
    once = {"id": "replay1", "op": "speak", "args": {"text": {"en": "Once"}}, "exp": 2**52}
    old = {"id": "replay2", "op": "speak", "args": {"text": {"en": "Old"}}, "exp": now_ms() - 1000}
    first = robot(tmp_path / "memory")
    take(first, once)
    await until(lambda: first.screen)
    assert take(first, once, old, old) == [
        ("replay1", "ok"),
        ("replay2", "expired"),
        ("replay2", "expired"),
    ]
    second = robot(tmp_path / "memory")
    assert take(second, once, old) == [("replay1", "ok"), ("replay2", "expired")]
    assert (first.screen, second.screen) == ([{"en": "Once"}], [])
    assert second.hearing.orders.carried_out == []
