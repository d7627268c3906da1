"""Weeks of a home's past as the messages its gateway would have sent: readings and doses. Pure.

The same person, doses and span give the same messages. Numbers of messages (`boot`, `seq`) are
put on by whoever sends them, see `firmware_sim.node`.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from contract.instants import to_millis
from contract.messages import Ack, Acknowledgement, Obs, Series
from firmware_sim import parameters as p
from firmware_sim.physiology import Person, Pressure, exposure, pressure

_MORNING_H: Final = 7
_EVENING_H: Final = 19
_DIFFER: Final = 10
_WINDOW: Final = timedelta(hours=1)
_WEEK: Final = timedelta(days=7)
# After so long nothing of a dose is left.
_MEMORY: Final = timedelta(days=14)
_ACKS_A_MESSAGE: Final = 100


class DueDose(Struct, frozen=True):
    """A dose of the plan: its occurrence id and the instant it rings."""

    id: str
    due_at: datetime


class Taken(Struct, frozen=True):
    """What the person did with one dose, and when."""

    dose: DueDose
    state: str  # taken | late_taken | skipped | missed
    at: datetime


class Measured(Struct, frozen=True):
    """One reading and its instant."""

    at: datetime
    pressure: Pressure


class History(Struct, frozen=True, kw_only=True):
    """The messages, and the truth behind them for whoever checks."""

    observations: list[Obs]
    acknowledgements: list[Ack]
    measured: list[Measured]
    doses: list[Taken]


def live_through(
    person: Person,
    *,
    since: datetime,
    until: datetime,
    zone: str = "Asia/Shanghai",
    dev: str = "cuff1",
    who: str | None = None,
    doses: Sequence[DueDose] = (),
) -> History:
    """What one person measured and took in [since, until), as messages sent at `until`."""
    taken = [_decide(person, dose) for dose in doses if since <= dose.due_at < until - _WINDOW]
    every = _interval(doses)
    swallowed = _before(person, since, every)
    swallowed += [each.at for each in taken if each.state in ("taken", "late_taken")]
    measured = []
    for at, nth in _sittings(person, since, until, ZoneInfo(zone)):
        at_work = exposure(swallowed, at, every=every) if doses else 1.0
        local = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        first_day = since.astimezone(ZoneInfo(zone)).date()
        shown = pressure(person, local, nth=nth, exposure=at_work, first_day=first_day)
        measured.append(Measured(at, shown))
    measured = list(_without_needless_thirds(measured))
    return History(
        observations=list(_observations(measured, dev, who)),
        acknowledgements=list(_acknowledgements(taken, until, who)),
        measured=measured,
        doses=taken,
    )


def _interval(doses: Sequence[DueDose]) -> timedelta:
    days = {dose.due_at.date() for dose in doses}
    return timedelta(days=1) / max(1.0, len(doses) / max(1, len(days)))


def _before(person: Person, since: datetime, every: timedelta) -> list[datetime]:
    """The doses of the time before, taken as regularly as later ones: nobody starts untreated."""
    dice = _dice(person.seed, "before")
    doses = [since - n * every for n in range(1, int(_MEMORY / every) + 1)]
    return [at for at in doses if dice.random() < person.takes]


def _decide(person: Person, dose: DueDose) -> Taken:
    dice = _dice(person.seed, dose.id)
    if dice.random() < person.takes:
        late = dice.random() < p.LATE
        after = timedelta(minutes=dice.expovariate(1 / p.TAKES_AFTER_MIN))
        at = dose.due_at + (_WINDOW + after if late else min(after, _WINDOW))
        return Taken(dose, "late_taken" if late else "taken", at)
    if dice.random() < p.SKIPS_OF_NOT_TAKEN:
        return Taken(dose, "skipped", dose.due_at + timedelta(minutes=2))
    return Taken(dose, "missed", dose.due_at + _WINDOW)


def _sittings(
    person: Person, since: datetime, until: datetime, zone: ZoneInfo
) -> Iterator[tuple[datetime, int]]:
    """Two occasions a day, up to three readings a minute apart; people leave some out."""
    day = since.astimezone(zone).date()
    while day <= until.astimezone(zone).date():
        for hour in (_MORNING_H, _EVENING_H):
            dice = _dice(person.seed, day.isoformat(), hour)
            start = _local(day, hour, zone) + timedelta(minutes=dice.gauss(0, 20))
            measures = dice.random() < person.measures
            for nth in (1, 2, 3):
                at = start + timedelta(minutes=nth - 1, seconds=dice.randrange(0, 10))
                if measures and since <= at < until:
                    yield at, nth
        day += timedelta(days=1)


def _local(day: date, hour: int, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=zone)


def _without_needless_thirds(measured: list[Measured]) -> Iterator[Measured]:
    """The third reading is taken only when the first two differ by more than 10."""
    sitting: list[Measured] = []
    for each in measured:
        if sitting and each.at - sitting[-1].at > timedelta(minutes=10):
            sitting = []
        third = len(sitting) == 2
        sitting.append(each)
        if not third or _differ(sitting[0].pressure, sitting[1].pressure):
            yield each


def _differ(one: Pressure, other: Pressure) -> bool:
    return abs(one.sys - other.sys) > _DIFFER or abs(one.dia - other.dia) > _DIFFER


def _observations(measured: list[Measured], dev: str, who: str | None) -> Iterator[Obs]:
    """A message a week; readings that differ in their flags are different blocks."""
    while measured:
        base = measured[0].at
        week = [each for each in measured if each.at - base < _WEEK]
        measured = measured[len(week) :]
        blocks = [
            _block([each for each in week if each.pressure.irregular == irregular], base, dev, who)
            for irregular in (False, True)
            if any(each.pressure.irregular == irregular for each in week)
        ]
        yield Obs(v=0, boot=0, seq=0, t=to_millis(base), clk="ntp", hist=1, ser=blocks)


def _block(readings: list[Measured], base: datetime, dev: str, who: str | None) -> Series:
    return Series(
        k="bp",
        dev=dev,
        o=[to_millis(each.at) - to_millis(base) for each in readings],
        c={
            "sys": [each.pressure.sys for each in readings],
            "dia": [each.pressure.dia for each in readings],
            "pr": [each.pressure.pulse for each in readings],
        },
        pos="sitting",
        site="upper_arm_l",
        fl=["ihb"] if readings[0].pressure.irregular else None,
        who=who,
    )


def _acknowledgements(taken: list[Taken], until: datetime, who: str | None) -> Iterator[Ack]:
    said = [
        Acknowledgement(
            id=each.dose.id,
            st=each.state,
            at=to_millis(each.at),
            by="auto" if each.state == "missed" else "button",
            who=who,
        )
        for each in taken
    ]
    for start in range(0, len(said), _ACKS_A_MESSAGE):
        part = said[start : start + _ACKS_A_MESSAGE]
        yield Ack(v=0, boot=0, seq=0, t=to_millis(until), clk="ntp", hist=1, acks=part)


def _dice(*what: object) -> random.Random:
    return random.Random("|".join(map(str, what)))  # noqa: S311 - a simulation, not a secret
