"""Promise 24: no clock, the device's or the hub's, loses a reading or hides an emergency.

The received time is kept apart from the measured one; what cannot be true is kept untrusted, out
of trends, and judged all the same (safety rules 1 and 2).
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from care.console.words import counts
from ingest.settings import IngestSettings
from store.pool import Connection
from tests.ingest.conftest import Device, now_ms, running, until, until_count
from tests.promises.judged import judged
from tests.promises.stepped import SteppedClock

DAY = 86_400_000
SEVERE = {"k": "bp", "o": [0], "c": {"sys": [212], "dia": [126]}}
# Name, the envelope of a device whose clock is off, and the quality it is stored with.
CLOCKS: list[tuple[str, Callable[[], dict[str, Any]], str]] = [
    ("1970", lambda: {"t": 0}, "untrusted"),
    ("before the epoch", lambda: {"t": -(2**53)}, "untrusted"),
    ("2099", lambda: {"t": 4_070_908_800_000}, "untrusted"),
    ("a day ahead", lambda: {"t": now_ms() + DAY}, "untrusted"),
    ("a day behind", lambda: {"t": now_ms() - DAY + 600_000}, "ntp"),
    ("none, since its start", lambda: {"t": None, "clk": "none", "up": 5000}, "derived"),
    ("none at all", lambda: {"t": None, "clk": "none"}, "untrusted"),
    ("set by hand", lambda: {"clk": "manual", "up": 5000}, "manual"),
]


async def people_of(conn: Connection, number: int) -> None:
    """So many patients more, known by their pseudonym, of one team with somebody in it."""
    await conn.execute(
        b"INSERT INTO patient (name, area_id, pseudonym)"
        b" SELECT 'p', 1, 'r:p' || lpad(n::text, 15, '0') FROM generate_series(1, %s) AS n",
        (number,),
    )


async def rows(conn: Connection, sql: str) -> list[tuple[Any, ...]]:
    """What is stored."""
    return await (await conn.execute(sql.encode())).fetchall()


async def test_p24_safety_02_a_device_clock_hides_nothing(
    ingest: None, device: Device, people: Connection, database_url: str
) -> None:
    """A severe pressure of one person each, on clocks a day off, of 1970, of 2099, or none: each
    is stored with the time of its arrival apart, and opens an episode; what has no true time is
    marked, keeps its claim, and is in no trend."""
    await people_of(people, len(CLOCKS))
    for n, (_, envelope, _) in enumerate(CLOCKS, 1):
        series = SEVERE | {"who": f"r:p{n:015d}"}
        device.send("obs", envelope() | {"ser": [series]})
    await until_count(people, "reading", len(CLOCKS))
    stored = await rows(
        people,
        "SELECT measured_at, received_at, clock::text, claimed_at, flags, patient_id"
        " FROM reading ORDER BY patient_id",
    )
    present = datetime.now(UTC)
    for (name, _, quality), row in zip(CLOCKS, stored, strict=True):
        measured_at, received_at, clock, claimed_at, flags, _ = row
        assert clock == quality, name
        assert timedelta() <= present - received_at < timedelta(minutes=1), name
        behind = timedelta(days=1) if name == "a day behind" else timedelta(minutes=1)
        assert present - measured_at < behind, name
        assert counts(flags, clock) is (clock != "untrusted"), name
        assert (claimed_at is not None) is (clock == "untrusted" and "none" not in name), name
    episodes = await judged(people, database_url)
    assert [e["patient_id"] for e in episodes] == [row[-1] for row in stored]
    assert {e["rule"] for e in episodes} == {"severe_pressure"}
    assert [e["late"] for e in episodes] == [name == "a day behind" for name, _, _ in CLOCKS]


async def test_p24_the_ends_of_summer_time_and_the_leap_second(
    ingest: None, device: Device, people: Connection
) -> None:
    """Instants are instants: the hour that comes twice, the hour that never is, and two readings
    in the second that was a leap second are each there, in their order."""
    twice = [datetime(2026, 10, 25, h, 30, tzinfo=UTC) for h in (0, 1)]  # both 02:30 in Berlin
    never = [datetime(2026, 3, 29, h, 59, tzinfo=UTC) for h in (0, 1)]
    leap = datetime(2017, 1, 1, tzinfo=UTC)  # 23:59:60 and 00:00:00 have the same number
    instants = [leap, *never, *twice]
    for at in instants:
        device.pressure(120, t=int(at.timestamp() * 1000))
    series = {"k": "wt", "o": [0, 0], "y": [70, 71]}
    device.send("obs", {"t": int(leap.timestamp() * 1000), "ser": [series]})
    await until_count(people, "reading", len(instants) + 2)
    found = await rows(people, "SELECT measured_at FROM reading WHERE kind = 'bp' ORDER BY 1")
    assert [at for (at,) in found] == instants
    found = await rows(people, "SELECT measured_at, v0 FROM reading WHERE kind = 'wt' ORDER BY v0")
    assert found == [(leap, 70.0), (leap, 71.0)]


@pytest.mark.parametrize("steps", [(86_400, -86_400), (-86_400, 172_800), (1, -1, 3600, -7200)])
async def test_p24_the_hubs_clock_steps_while_it_runs(
    device: Device, people: Connection, settings: IngestSettings, steps: tuple[int, ...]
) -> None:
    """By a day, an hour or a second, to and fro, under a load of readings: each is stored once and
    receipted, whatever the hub takes for now; sent again after the last step, none is doubled."""
    clock = SteppedClock()
    sent: list[dict[str, Any]] = []
    async with running(settings, clock):
        await until(lambda: "ready" in device.statuses())
        for step in (0, *steps):
            clock.step(step)
            sent += [device.pressure(120 + n) for n in range(10)]
            await until_count(people, "reading", len(sent))
        for message in sent:
            device.raw("obs", json.dumps(message).encode())
        device.pressure(130)
        await until_count(people, "reading", len(sent) + 1)
        await until(lambda: {"boot": 1, "upto": len(sent)} in device.receipts())
        assert device.statuses()[-1] == "ready"
    # A hub that lives in the past cannot believe the device: it keeps the claim.
    claims = await rows(people, "SELECT count(*) FROM reading WHERE clock = 'untrusted'")
    past = await rows(people, "SELECT count(*) FROM reading WHERE claimed_at IS NOT NULL")
    assert claims == past


async def test_p24_forgetting_by_a_clock_that_ran_ahead_doubles_nothing(
    device: Device, people: Connection, settings: IngestSettings
) -> None:
    """The hub's clock jumps seventy days ahead and back: what was tidied away by it does not make
    a reading that is sent again a second one."""
    clock = SteppedClock()
    # Nothing holds forgetting back: it goes along with the clock at once.
    hasty = {"tidy_every_s": 0.1, "retention_days_an_hour": 1e9}
    async with running(settings.model_copy(update=hasty), clock):
        await until(lambda: "ready" in device.statuses())
        sent = [device.pressure(120 + n) for n in range(10)]
        await until_count(people, "reading", 10)
        for step in (70, -70):
            clock.step(step * 86_400)
            # At no time of the ten.
            device.pressure(140, t=now_ms() - 100_000 - step)
            await until(lambda step=step: {"boot": 1, "upto": 10 + (step < 0)} in device.receipts())
            for message in sent:
                device.raw("obs", json.dumps(message).encode())
        await until_count(people, "reading", 12)
