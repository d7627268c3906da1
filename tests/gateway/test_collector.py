"""The meter on its port: history, unplugging, wrong clocks, a full disk."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from contract.codec import decode
from contract.messages import Obs
from contract.observation import Reading, observe
from gateway.drivers.registry import driver
from gateway.transports.serial_port import PortUnavailableError, SerialPort
from runtime.clock import ManualClock
from tests.gateway.conftest import Running, until
from tests.gateway.meter_on_pty import MeterOnPty, frame
from tests.gateway.scripted_hub import ScriptedHub

Power = Callable[..., Running]


def at(hour: int, minute: int, sys: int = 138, day: int = 4) -> bytes:
    """A record of March 2026 by the meter's clock."""
    return frame(sys, 86, 72, (2026, 3, day, hour, minute))


def as_the_hub_sees(hub: ScriptedHub, now: datetime) -> list[Reading]:
    """What the hub makes of everything it got, each message once, in the order of numbers."""
    once = {(body["boot"], body["seq"]): body for body in hub.of("obs")}
    readings = []
    for _, body in sorted(once.items()):
        message = decode("obs", msgspec.json.encode(body))
        assert isinstance(message, Obs)
        seen = observe(message, received_at=now)
        assert seen.defects == []
        readings += seen.readings
    return readings


async def sees_cuff(running: Running) -> Running:
    """Wait until the cuff answers."""
    await until(lambda: running.gateway.collector.link == "ready")
    return running


async def test_the_whole_history_comes_at_the_first_contact(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, clock: ManualClock
) -> None:
    """Seventy stored records arrive with their own times, in few messages, and only once; a
    second start takes nothing again."""
    meter.frames = [at(6, 69 - n, 120 + n) for n in range(10, 70)]
    meter.frames += [at(5, 59 - n, 100 + n) for n in range(10)]
    running = await sees_cuff(power(who="A"))
    readings = await until(lambda: len(found := as_the_hub_sees(hub, clock.now())) == 70 and found)
    assert len({(r.measured_at, r.ordinal) for r in readings}) == 70
    assert {(r.clock, r.who, r.dev) for r in readings} == {("manual", "A", "cuff1")}
    assert len({(b["boot"], b["seq"]) for b in hub.of("obs")}) <= 3
    assert all(body["hist"] == 1 and body["up"] > 0 for body in hub.of("obs"))
    await until(lambda: running.gateway.spool.depth() == 0)
    await running.stop()
    before = len(hub.of("obs"))
    running.start()
    await sees_cuff(running)
    await asyncio.sleep(0.3)
    assert len(hub.of("obs")) == before


async def test_a_cable_may_be_pulled_at_any_time(
    power: Power, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """Unplugged and plugged in again, also in mid-sentence: what was measured meanwhile comes,
    and `state` says how the cuff stands."""
    running = await sees_cuff(power())
    for minute in range(4):
        meter.unplug()
        meter.measured(at(8, minute, 140 + minute))
        await until(lambda: running.gateway.collector.link == "lost")
        meter.plug()
        await sees_cuff(running)
    await until(lambda: len({b["seq"] for b in hub.of("obs")}) == 4)
    stands = [state["subs"]["cuff1"] for state in hub.of("state")]
    assert {"ready", "lost"} <= set(stands)
    meter.silent = True
    await until(lambda: running.gateway.collector.link == "sleeping")


@pytest.mark.parametrize(
    "said",
    [
        at(3, 0),  # hours slow
        at(8, 0, day=9),  # days fast
        frame(138, 86, 72, (2000, 1, 1, 0, 0)),  # never set
        bytes((0xAC, 113, 61, 72, 2, 31, 8, 0, 26)),  # no such day
    ],
)
async def test_safety_02_a_wrong_meter_clock_hides_nothing(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, clock: ManualClock, said: bytes
) -> None:
    """A reading seen to come is placed when it came, whatever the meter says."""
    running = await sees_cuff(power())
    await until(lambda: running.gateway.collector._register.read_at is not None)
    meter.measured(said)
    await until(lambda: hub.of("obs"))
    (reading,) = as_the_hub_sees(hub, clock.now())
    assert (reading.measured_at, reading.clock) == (clock.now(), "ntp")
    assert reading.values[:2] == (138.0, 86.0)


@pytest.mark.parametrize(
    ("said", "clock_quality", "claimed"),
    [
        (at(8, 0, day=9), "untrusted", datetime(2026, 3, 9, 0, 0, tzinfo=UTC)),
        (bytes((0xAC, 113, 61, 72, 2, 31, 8, 0, 26)), "derived", None),
    ],
)
async def test_safety_02_history_of_a_wrong_clock_is_kept(
    power: Power,
    hub: ScriptedHub,
    meter: MeterOnPty,
    clock: ManualClock,
    said: bytes,
    clock_quality: str,
    claimed: datetime | None,
) -> None:
    """From the memory of a meter with a wrong clock: the future is kept with its claim as
    untrusted, a date that does not exist is placed by when it was fetched."""
    meter.frames = [said]
    await sees_cuff(power())
    await until(lambda: hub.of("obs"))
    (reading,) = as_the_hub_sees(hub, clock.now())
    assert (reading.clock, reading.claimed_at) == (clock_quality, claimed)
    assert abs((reading.measured_at - clock.now()).total_seconds()) < 60


async def test_several_in_one_minute_stay_apart(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, clock: ManualClock
) -> None:
    """Four measurements in one minute, two of them alike, some at once, with a restart between:
    four identities that never change."""
    running = await sees_cuff(power())
    await until(lambda: running.gateway.collector._register.read_at is not None)
    meter.measured(at(8, 0, 140))
    await until(lambda: len(as_the_hub_sees(hub, clock.now())) == 1)
    await running.stop()
    meter.measured(at(8, 0, 140))
    meter.measured(at(8, 0, 141))
    running.start()
    await until(lambda: len(as_the_hub_sees(hub, clock.now())) == 3)
    meter.measured(at(8, 0, 142))
    await until(lambda: len(as_the_hub_sees(hub, clock.now())) == 4)
    found = sorted((r.ordinal, r.values[0]) for r in as_the_hub_sees(hub, clock.now()))
    assert found == [(0, 140.0), (1, 140.0), (2, 141.0), (3, 142.0)]
    assert len({r.measured_at for r in as_the_hub_sees(hub, clock.now())}) == 1


async def test_a_full_disk_leaves_the_reading_in_the_meter(
    power: Power, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """Refused by the disk, not lost: the meter's memory is the backup. With room it is taken."""
    running = await sees_cuff(power())
    hub.receipts = False
    await until(lambda: running.gateway.collector._register.read_at is not None)
    connection = running.storage.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(60):
        meter.measured(at(8, number, 100 + number))
    await asyncio.sleep(0.5)
    taken = len(hub.of("obs"))
    connection.execute("PRAGMA max_page_count = 100000")
    hub.receipts = True

    def arrived() -> set[float]:
        return {v for b in hub.of("obs") for s in b["ser"] for v in s["c"]["sys"]}

    await until(lambda: arrived() == {100.0 + n for n in range(60)})
    assert taken < 60
    await until(lambda: running.gateway.spool.depth() == 0)


async def test_the_person_measures_twice_and_is_told(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, clock: ManualClock
) -> None:
    """The button begins a session: both readings carry it, and the second says it is done."""
    running = await sees_cuff(power())
    assert await running.press("measure")
    for number, sys in enumerate((140, 146)):
        await until(lambda: running.robot.guide.session.stage == "waiting")
        meter.measured(at(8, number, sys))
        await until(lambda n=number: len(hub.of("obs")) > n)
    marks: list[dict[str, Any]] = [body["ser"][0]["ses"] for body in hub.of("obs")]
    assert [(m["n"], m["of"], m.get("done")) for m in marks] == [(1, 2, None), (2, 2, 1)]
    assert running.robot._last.sys == 146


def test_a_port_that_is_not_there_has_a_name(tmp_path: Any) -> None:
    """No such port, and `auto` without a cuff: one kind of error."""
    model = driver("beurer-bm65")
    for path in (str(tmp_path / "nothing"), "auto"):
        with pytest.raises(PortUnavailableError):
            SerialPort(path, model).read(None)
