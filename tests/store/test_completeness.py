"""Completeness from the database: whose gap it is, on which day, and what counts as come."""

from datetime import UTC, date, datetime, timedelta

import pytest

from contract.vitals import FLAGS
from measures.completeness import Day
from store import completeness, gap, resend
from store.gap import Count, Hole
from store.message import Boot
from store.pool import Connection
from tests.fixtures.factories import Factory

NOW = datetime(2026, 3, 4, 4, tzinfo=UTC)  # noon in Shanghai
DAY = timedelta(days=1)


class Home:
    """A patient with a cuff, and a neighbour who has another."""

    def __init__(self, factory: Factory) -> None:
        self.factory = factory

    async def build(self) -> None:
        """Put it into the database."""
        f = self.factory
        area = await f.area("柳林村")
        self.patient = await f.patient(area, created_at=NOW - 30 * DAY)
        self.neighbour = await f.patient(area, "王桂兰", created_at=NOW - 30 * DAY)
        self.node, self.other = await f.node(area), await f.node(area)
        self.device = await f.device(self.node)
        await f.bind(self.device, self.patient)
        await f.bind(await f.device(self.other), self.neighbour)

    async def missing(self, low: int, high: int, *, at: datetime, boot: int = 7) -> Boot:
        """A gap of the patient's node, half an hour long."""
        hole = Hole(low, high, at - timedelta(minutes=30), at)
        counted = Boot(self.node, boot)
        await gap.note(self.factory.conn, [Count(counted, high + 1, at, (hole,))], now=NOW)
        return counted

    async def days(self, number: int, patient: int | None = None) -> list[Day]:
        """The patient's, or somebody else's."""
        conn = self.factory.conn
        return await completeness.days(conn, patient or self.patient, number=number, now=NOW)


@pytest.fixture
async def home(conn: Connection) -> Home:
    """A home of this test's own."""
    made = Home(Factory(conn, NOW))
    await made.build()
    return made


async def test_readings_count_on_the_day_of_the_person(home: Home) -> None:
    """At 17:00 in UTC it is the next day there; a demonstration and a failure do not count."""
    pressure, place = home.factory.pressure, (home.device, home.node, home.patient)
    at = datetime(2026, 3, 2, 17, tzinfo=UTC)
    await pressure(*place, (130, 80, 70), at=at)
    await pressure(*place, (131, 80, 70), at=at + timedelta(hours=1))
    await pressure(*place, (131, 80, 70), at=at + timedelta(hours=2), flags=FLAGS["demo"].mask)
    found = await home.days(3)
    assert [(day.on, day.came, day.over) for day in found] == [
        (date(2026, 3, 4), 0, False),
        (date(2026, 3, 3), 2, True),
        (date(2026, 3, 2), 0, True),
    ]


async def test_a_gap_is_told_to_whoever_was_measured_then(home: Home) -> None:
    """As missing while it may come, as lost when it is gone; never to the neighbour."""
    counted = await home.missing(5, 9, at=NOW - DAY)
    assert [(day.missing, day.lost) for day in await home.days(2)] == [(0, 0), (5, 0)]
    await resend.gone(home.factory.conn, counted, [(5, 7)], now=NOW)
    assert [(day.missing, day.lost) for day in await home.days(2)] == [(0, 0), (2, 3)]
    await resend.give_up_node(home.factory.conn, home.node, now=NOW)
    assert [(day.missing, day.lost) for day in await home.days(2)] == [(0, 0), (0, 5)]
    assert {day.lost for day in await home.days(9, home.neighbour)} == {0}
    ended = "UPDATE device_binding SET during = tstzrange('2020-01-01', %s) WHERE patient_id = %s"
    await home.factory.conn.execute(ended, (NOW - 2 * DAY, home.patient))
    assert {day.lost for day in await home.days(9)} == {0}


async def test_what_cannot_be_known_is_no_number(home: Home) -> None:
    """A count that jumps, and a restart: it is not known whether anything is missing."""
    await home.missing(5, 2**40, at=NOW - DAY)
    found = await home.days(2)
    assert [(day.missing, day.lost, day.unclear) for day in found] == [(0, 0, 0), (0, 0, 1)]
    await home.missing(5, 6, at=NOW, boot=8)
    found = await home.days(2)
    assert [(day.missing, day.lost, day.unclear) for day in found] == [(2, 0, 1), (0, 0, 1)]
