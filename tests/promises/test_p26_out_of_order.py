"""Promise 26: readings and calls in any order within a day end in the same episodes, judged by the
real engine; and a critical value that comes late is told late, not kept quiet."""

import itertools
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from msgspec import Struct

from alerts.engine import Engine
from runtime.clock import ManualClock
from tests.alerts.conftest import engine, home, pool, settings
from tests.alerts.home import Home

__all__ = ["engine", "home", "pool", "settings"]
_FULL: Final = os.environ.get("HEARTHBEAT_SCALE") == "full"
pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)] if _FULL else []
_EXAMPLES: Final = 300 if _FULL else 12
MORNING: Final = datetime(2026, 3, 4, 6, 0, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
TABLES: Final = "reading, reading_conflict, event, batch, feed_cursor, episode, command, outbound"


class Happened(Struct, frozen=True):
    """Something of one of two people at a minute of the day: a pressure, or a call for help."""

    minute: int
    person: int
    sys: int | None
    dia: int = 80

    @property
    def at(self) -> datetime:
        """When it happened."""
        return MORNING + timedelta(minutes=self.minute)


class Village:
    """Two people with a cuff each, whom an engine watches."""

    def __init__(self, home: Home, engine: Engine, clock: ManualClock) -> None:
        self.home, self.engine, self.clock = home, engine, clock
        self.people: list[tuple[int, int]] = []

    async def build(self) -> "Village":
        """The home's patient, and a second one."""
        other = await self.home.make.patient(self.home.area, team_id=self.home.team)
        cuff = await self.home.make.device(self.home.node, dev="cuff2")
        await self.home.make.bind(cuff, other)
        self.people = [(self.home.patient, self.home.device), (other, cuff)]
        return self

    async def begin(self) -> None:
        """Nothing has happened yet."""
        await self.home.conn.execute(f"TRUNCATE {TABLES} CASCADE".encode())

    async def arrive(self, happened: Sequence[Happened], now: datetime) -> None:
        """These are committed now, and judged."""
        self.clock.set(now)
        await self.engine.cycle()
        rows = []
        for one in happened:
            patient, device = self.people[one.person]
            if one.sys is None:
                name = f"call{one.minute}-{one.person}"
                await self.home.happens("sos", name, patient=patient, at=one.at)
            else:
                how = {"patient": patient, "device": device, "at": one.at}
                rows.append(self.home.row(one.sys, one.dia, **how))
        if rows:
            await self.home.send(*rows)
        await self.engine.cycle()

    async def final(self, now: datetime) -> set[tuple[Any, ...]]:
        """(patient, rule, subject, onset, end, verdict) when every deadline is over.

        Without the traces of what was withdrawn and now stands in another episode: these tell of
        an order of arrival.
        """
        for minutes in (6, 12):
            self.clock.set(now + timedelta(minutes=minutes))
            await self.engine.cycle()
        episodes = await self.home.all(
            "SELECT * FROM episode WHERE rule IN ('severe_pressure', 'low_pressure',"
            " 'call_for_help')"
        )
        standing = {_key(p) for e in episodes if e["state"] != "closed" for p in e["evidence"]}
        return {
            (
                *(e["patient_id"], e["rule"], e["subject"], e["onset_at"]),
                *(e["last_evidence_at"], e["state"], e["confirmation"]),
            )
            for e in episodes
            if e["state"] != "closed" or not standing & {_key(p) for p in e["evidence"]}
        }


@pytest.fixture
async def village(home: Home, engine: Engine, clock: ManualClock) -> Village:
    """Two people, and nothing has happened."""
    return await Village(home, engine, clock).build()


def _key(piece: dict[str, Any]) -> str:
    return str(piece["key"])


# Mostly a few sittings, some readings alone; a call now and then.
DAYS = st.lists(
    st.builds(
        lambda sitting, minute, person, sys, dia: Happened(sitting * 60 + minute, person, sys, dia),
        st.integers(0, 15),
        st.integers(0, 24),
        st.integers(0, 1),
        st.sampled_from([84, 96, 128, 150, 178, 182, 188, 205, 205, None]),
        st.sampled_from([48, 80, 112]),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda one: (one.minute, one.person),
)


@given(day=DAYS, data=st.data())
@hypothesis.settings(
    max_examples=_EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_p26_any_order_ends_in_the_same_episodes(
    village: Village, day: list[Happened], data: st.DataObject
) -> None:
    """A day of two people as it happened; and the same day arriving in the evening, shuffled, in
    any batches, partly twice."""
    await village.begin()
    for one in sorted(day, key=lambda one: one.minute):
        await village.arrive([one], one.at + SECOND)
    calm = await village.final(MORNING + timedelta(hours=22))
    await village.begin()
    shuffled = data.draw(st.permutations([*day, *day[:2]]))
    cuts = data.draw(st.lists(st.integers(1, len(shuffled)), max_size=3).map(sorted))
    now = MORNING + timedelta(hours=22)
    for first, last in itertools.pairwise([0, *cuts, len(shuffled)]):
        if shuffled[first:last]:
            now += timedelta(seconds=data.draw(st.sampled_from([1, 10])))
            await village.arrive(shuffled[first:last], now)
    assert await village.final(now) == calm


async def test_p26_a_late_critical_value_is_told_late(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """Twenty hours old, behind an older one and a newer one that is low: somebody is told, with the
    time it was measured."""
    now = clock.now()
    for hours, sys in ((2, 86), (23, 170), (20, 215)):
        await home.bp(sys, 90, at=now - timedelta(hours=hours))
        await engine.cycle()
    (episode,) = await home.episodes("severe_pressure")
    assert (episode["late"], episode["state"]) == (True, "open")
    assert episode["onset_at"] == now - timedelta(hours=20)
    assert await home.told() == [home.staff[0]]
