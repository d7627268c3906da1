"""What retention goes by when the hub's clock jumps: a little is forgotten at a time, never all."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ingest.horizon import advance, begin
from ingest.tidy import Tidy
from runtime.clock import RELEASED, ManualClock
from store.line import Line
from store.pool import Connection
from store.retention import Kept
from tests.ingest.test_tidy import ages, something_of_every_age

NOW = datetime(2026, 9, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR_S = 3600.0
YEAR = timedelta(days=365)

instants = st.timedeltas(-60 * YEAR, 150 * YEAR).map(lambda since: NOW + since)
seconds = st.floats(-10.0, 100 * 86_400.0)
paces = st.floats(0.05, 1e9)


@given(instants, instants, seconds, paces)
def test_it_follows_no_faster_than_it_may(
    reached: datetime, now: datetime, passed_s: float, pace: float
) -> None:
    """Never back, never by more than the pace, and nothing goes by a time after the clock."""
    after = advance(reached, now, passed_s=passed_s, days_an_hour=pace)
    assert after.now <= now
    assert after.now <= after.reached
    assert reached <= after.reached <= max(reached, now)
    gone_s = (after.reached - reached).total_seconds()
    assert gone_s <= max(0.0, passed_s) * 24 * pace + 1e-3
    assert (after.told == "behind") == (now - after.reached > DAY)
    assert (after.told == "ahead") == (after.reached - now > DAY)


@given(st.lists(st.tuples(st.timedeltas(-9 * YEAR, 9 * YEAR), st.floats(0, HOUR_S)), max_size=30))
def test_jumps_to_and_fro_are_worth_the_time_they_lasted(
    jumps: list[tuple[timedelta, float]],
) -> None:
    """However the clock jumps: nothing goes that a day for each real hour would not have taken."""
    reached, real, lasted = NOW, NOW, 0.0
    for jump, passed_s in jumps:
        real, lasted = real + timedelta(seconds=passed_s), lasted + passed_s
        after = advance(reached, real + jump, passed_s=passed_s, days_an_hour=1.0)
        assert after.now <= NOW + timedelta(seconds=24 * lasted + 1)
        reached = after.reached


@given(st.timedeltas(timedelta(0), timedelta(days=30)), st.floats(600.0, HOUR_S))
def test_a_month_off_is_caught_up_in_a_day_and_a_bit(off: timedelta, every_s: float) -> None:
    """Thirty days in 31.3 hours: 24 days a day, and the clock goes on meanwhile."""
    reached, now, passed_s = NOW, NOW + off, 0.0
    while reached < now:
        now, passed_s = now + timedelta(seconds=every_s), passed_s + every_s
        reached = advance(reached, now, passed_s=every_s, days_an_hour=1.0).reached
    assert passed_s <= 31.4 * HOUR_S + every_s


def test_a_hub_that_begins_in_1970_does_not_begin_there() -> None:
    """Else its horizon would take years to arrive."""
    assert begin(datetime(1970, 1, 1, tzinfo=UTC)) == RELEASED
    assert begin(NOW) == NOW


class Bench(NamedTuple):
    """Something to tidy up, and both its clocks."""

    tidy: Tidy
    clock: ManualClock
    real: ManualClock

    async def hours(self, number: int) -> None:
        """Rounds of an hour each, by both clocks."""
        for _ in range(number):
            self.clock.advance(HOUR_S)
            self.real.advance(HOUR_S)
            await self.tidy.round()


@pytest.fixture
async def line(database_url: str) -> AsyncIterator[Line]:
    """To the database."""
    line = Line(database_url, name="test")
    yield line
    await line.close()


def bench(line: Line, at: datetime = NOW) -> Bench:
    """A hub that has just been started."""
    clock, real = ManualClock(at), ManualClock(NOW)
    monotonic = lambda: real.now().timestamp()  # noqa: E731
    return Bench(Tidy(line, clock=clock, every_s=60, kept=Kept(), monotonic=monotonic), clock, real)


async def reached(conn: Connection) -> datetime:
    """The horizon as stored."""
    row = await (await conn.execute("SELECT reached FROM retention_horizon")).fetchone()
    assert row is not None
    at: datetime = row[0]
    return at


async def test_a_clock_a_year_ahead_drops_hours_worth(conn: Connection, line: Line) -> None:
    """Two hours of it are worth two days, whatever the process does; right again, all goes on."""
    hub = bench(line)
    await hub.tidy.round()
    await something_of_every_age(conn)
    hub.clock.set(NOW + YEAR)
    await hub.tidy.round()
    await bench(line, NOW + YEAR).tidy.round()  # and a start changes nothing
    await hub.hours(2)
    assert await reached(conn) == NOW + 2 * DAY
    assert await ages(conn, "message", "received_at") == [1, 6, 8]
    assert await ages(conn, "reject", "received_at") == [1, 6, 8, 59, 61]
    assert await ages(conn, "wave_chunk", "started_at") == [1, 6, 8, 59, 61, 89, 91, 150]
    assert (await ages(conn, "block", "start_at"))[:5] == [1, 6, 8, 59, 61]
    hub.clock.set(NOW + timedelta(hours=2))
    await hub.hours(1)
    assert await reached(conn) == NOW + 2 * DAY
    await hub.hours(50)
    assert await reached(conn) == hub.clock.now()


async def test_a_clock_that_was_in_1970_undoes_nothing(conn: Connection, line: Line) -> None:
    """Nothing is forgotten by it; set right, the horizon is where it was."""
    hub = bench(line)
    await hub.tidy.round()
    await something_of_every_age(conn)
    hub.clock.set(datetime(1970, 1, 2, tzinfo=UTC))
    await hub.hours(2)
    assert await reached(conn) == NOW
    assert max(await ages(conn, "message", "received_at")) == 1000
    hub.clock.set(NOW)
    await hub.hours(1)
    assert max(await ages(conn, "message", "received_at")) == 59


async def test_being_far_behind_is_told_and_measured(conn: Connection, line: Line) -> None:
    """At once and each hour, until the horizon has arrived."""
    hub = bench(line)
    await hub.tidy.round()
    hub.clock.set(NOW + timedelta(days=3))
    with capture_logs() as logs:
        await hub.tidy.round()
        await hub.tidy.round()
        await hub.hours(4)
    told = [
        (log["where"], log["reached"][:10]) for log in logs if log["event"] == "retention_horizon"
    ]
    assert told == [("behind", "2026-09-20"), ("behind", "2026-09-21"), ("behind", "2026-09-22")]
    hub.clock.set(NOW)
    with capture_logs() as logs:
        await hub.tidy.round()
    assert [log["where"] for log in logs] == ["ahead"]
