"""What the hub asks of the machine itself: done once, answered truthfully."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.messages import Command, TimeAnswer
from gateway.diagnosis import temperature
from gateway.upkeep import between, ranges
from runtime import log
from tests.gateway.conftest import Running, until
from tests.gateway.kept_alive import reading
from tests.gateway.meter_on_pty import MeterOnPty
from tests.gateway.scripted_hub import ScriptedHub

Power = Callable[..., Running]
FOREVER = 2**52


async def order(
    running: Running, hub: ScriptedHub, op: str, name: str = "c1", **args: Any
) -> dict[str, Any]:
    """Give a command; its final answer."""
    await until(lambda: running.gateway.uplink.online)
    hub.publish("cmd", Command(v=0, id=name, op=op, args=args, exp=FOREVER))

    def final() -> list[dict[str, Any]]:
        return [body for body in hub.results(name) if body["st"] != "accepted"]

    return (await until(final))[-1]


@given(st.sets(st.integers(0, 60)), st.integers(0, 60), st.integers(0, 60))
def test_ranges_and_what_lies_between_cover_everything_once(
    held: set[int], one: int, other: int
) -> None:
    """Sent and gone together are the range asked for, nothing twice."""
    first, last = sorted((one, other))
    inside = sorted(n for n in held if first <= n <= last)
    sent = ranges(inside)
    gone = between(sent, first, last)
    said = [n for a, b in [*sent, *gone] for n in range(a, b + 1)]
    assert sorted(said) == list(range(first, last + 1))
    assert [n for a, b in sent for n in range(a, b + 1)] == inside
    assert all(b + 1 < c for (_, b), (c, _) in pairwise(sent))


async def test_resend_sends_what_is_held_and_says_what_is_gone(
    power: Power, hub: ScriptedHub
) -> None:
    """What waits goes out again under its number; what was receipted is gone, what never was is
    neither; an unknown boot is gone altogether."""
    running = power(resend_seconds=60)
    await until(lambda: running.gateway.uplink.online and running.gateway.spool.depth() == 0)
    spool, boot = running.gateway.spool, running.gateway.spool.boot
    hub.receipts = False
    with running.storage.transaction():
        seqs = [spool.add("obs", reading(n), running.gateway.timekeeper.now()).seq for n in (1, 2)]
    running.gateway.uplink.nudge()
    await until(lambda: len(hub.of("obs")) == 2)
    hub.receipt(boot, also=[(seqs[0], seqs[0])])
    await until(lambda: not spool.waits((boot, seqs[0])))
    said = await order(running, hub, "resend", **{"boot": boot, "from": 0, "to": 10**6})
    held, top = [seqs[1], seqs[1]], said["seq"] - 1
    assert said["out"]["sent"] == [held]
    assert said["out"]["gone"] == [[0, seqs[1] - 1]]
    assert top == seqs[1]
    await until(lambda: [b["seq"] for b in hub.of("obs")].count(seqs[1]) == 2)
    other = await order(running, hub, "resend", "c2", **{"boot": boot ^ 1, "from": 3, "to": 9})
    assert other["out"] == {"sent": [], "gone": [[3, 9]]}
    wrong = await order(running, hub, "resend", "c3", **{"boot": boot, "from": 9, "to": 3})
    assert (wrong["st"], "/to" in wrong["msg"]) == ("error", True)


@pytest.mark.parametrize("version", [4, 5])
async def test_selftest_publishes_everywhere_and_says_what_arrived(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, version: int
) -> None:
    """Every topic with a receipt; the time by its answer; ports, spool, clock and broker."""
    running = power(mqtt_version=version, selftest_seconds=5)
    await until(lambda: running.gateway.collector.link == "ready")

    async def tell_time() -> None:
        told = 0
        while True:
            for asked in hub.of("time")[told:]:
                hub.publish("time", TimeAnswer(t1=asked["t1"], t2=asked["t1"], t3=asked["t1"]))
                told += 1
            await asyncio.sleep(0.02)

    clock = asyncio.create_task(tell_time())
    said = await order(running, hub, "selftest")
    clock.cancel()
    kinds = {"birth", "state", "obs", "event", "ack", "res", "config", "time"}
    assert said["out"]["topics"] == dict.fromkeys(kinds, True)
    assert (said["st"], said["out"]["ports"]) == ("ok", {"cuff1": "ready"})
    assert said["out"]["spool"]["writable"] is True
    (event,) = hub.of("event")
    assert (event["type"], event["sev"]) == ("selftest", "info")
    assert hub.of("obs")[0]["ser"][0]["fl"] == ["demo"]


async def test_selftest_finds_the_topic_that_does_not_arrive(
    power: Power, hub: ScriptedHub
) -> None:
    """A denied publish looks like success on 3.1.1; the missing receipt tells."""
    hub.deaf_to = {"ack", "event", "config"}
    running = power(mqtt_version=3, selftest_seconds=1)
    said = await order(running, hub, "selftest")
    assert said["st"] == "error"
    topics = said["out"]["topics"]
    assert {kind for kind, arrived in topics.items() if arrived} == {"birth", "state", "obs", "res"}


async def test_rebirth_log_and_what_it_cannot_do(power: Power, hub: ScriptedHub) -> None:
    """A description at once; the log by `diag`; without a program to dial or restart:
    `unsupported`, and the description does not claim otherwise."""
    log.configure("gateway")
    running = power()
    await until(lambda: hub.of("birth"))
    assert (await order(running, hub, "rebirth"))["st"] == "ok"
    await until(lambda: len({b["seq"] for b in hub.of("birth")}) == 2)
    assert {"call", "reboot"}.isdisjoint(hub.of("birth")[0]["cap"]["cmd"])
    said = await order(running, hub, "log", "c2", lines=3)
    lines = await until(lambda: [line for diag in hub.of("diag") for line in diag["log"]])
    assert said["out"]["lines"] == len(lines) == 3
    assert all(set(line) == {"t", "lvl", "msg"} for line in lines)
    for number, op in enumerate(("call", "reboot", "fly")):
        assert (await order(running, hub, op, f"u{number}"))["st"] == "unsupported"
    assert (await order(running, hub, "log", "c3", lines="many"))["st"] == "error"
    assert (await order(running, hub, "log", "c4", lines=1, x_new=[1]))["st"] == "ok"


async def test_programs_of_the_owner_dial_and_restart(
    power: Power, hub: ScriptedHub, tmp_path: Path
) -> None:
    """Only a telephone number becomes an argument; the emergency number is never dialled by
    itself; a restart is answered once it is over, and is busy while somebody calls."""
    dialled, restarted = tmp_path / "dialled", tmp_path / "restarted"
    running = power(
        call_command=f"sh -c 'echo \"$1\" >> {dialled}' dial",
        reboot_command=f"sh -c 'echo x >> {restarted}; sleep 30' reboot",
    )
    assert (await order(running, hub, "call"))["st"] == "unsupported"
    assert (await order(running, hub, "call", "n2", number="+86 571 1234"))["st"] == "ok"
    assert dialled.read_text() == "+86 571 1234\n"
    assert (await order(running, hub, "call", "n3", number="-1 2"))["st"] == "unsupported"
    assert (await order(running, hub, "call", "n4", number="1;reboot"))["st"] == "error"
    await running.press("call", value="button_hold")
    assert (await order(running, hub, "reboot", "b1"))["st"] == "busy"
    await running.press("cancel_call")
    hub.publish("cmd", Command(v=0, id="b2", op="reboot", exp=FOREVER))
    await until(restarted.exists)
    await until(lambda: [b["st"] for b in hub.results("b2")] == ["accepted"])
    await running.stop()
    running.start()
    await until(lambda: [b["st"] for b in hub.results("b2")][-1] == "ok")
    assert restarted.read_text() == "x\n", "once"


async def test_a_failing_program_is_told(power: Power, hub: ScriptedHub) -> None:
    """Its exit code, or that it is not there."""
    running = power(call_command="sh -c 'exit 3'", reboot_command="/no/such/program")
    called = await order(running, hub, "call", number="1234")
    assert (called["st"], called["msg"]) == ("error", "exit code 3")
    assert "FileNotFoundError" in (await order(running, hub, "reboot", "c2"))["msg"]


async def test_waveforms_are_spooled_gathered_and_sent(power: Power, hub: ScriptedHub) -> None:
    """Chunks a driver hands over: durable, receipted, the same bytes in JSON and in CBOR."""
    running = power(enc="cbor")
    await until(lambda: running.gateway.uplink.online)
    for chunk in range(2):
        samples = bytes([chunk, 0, 255, 255])
        running.gateway.reports.wave(
            running.gateway.timekeeper.now(),
            k="ecg",
            dev="patch1",
            ch=["I"],
            hz=250,
            n=2,
            enc="i16le",
            sc=0.005,
            u="mV",
            ep="e1",
            cs=chunk,
            d=samples,
        )
    first, second = await until(lambda: hub.of("wave")[1:] and hub.of("wave"))
    assert (first["d"], second["d"]) == (b"\0\0\xff\xff", b"\1\0\xff\xff")
    assert first["t"] <= second["t"]
    await until(lambda: running.gateway.spool.depth() == 0)
    await running.stop()
    plain = power(state=running.settings.state.with_name("other"))
    plain.gateway.reports.wave(
        k="ecg",
        ch=["I"],
        hz=250,
        n=1,
        enc="i16le",
        ep="e",
        cs=0,
        d=b"\1\2",
    )
    assert (await until(lambda: hub.of("wave")[2:]))[0]["d"] == "AQI="


def test_the_hottest_sensor_counts(tmp_path: Path) -> None:
    """Degrees Celsius of the sensors that answer; None without any."""
    assert temperature(tmp_path) is None
    for number, text in enumerate(("41500\n", "n/a", "58250\n")):
        zone = tmp_path / f"thermal_zone{number}"
        zone.mkdir()
        (zone / "temp").write_text(text)
    assert temperature(tmp_path) == 58.25
