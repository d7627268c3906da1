"""How well a medicine is taken: from doses that were prompted, and from supplies handed out. Pure.

Three figures from doses, none of which stands for the others: *taking* (doses taken of those
prescribed), *correct-dosing days* (days with every dose taken, of all days) and *timing* (doses
taken within their window). Two from supplies: PDC (days covered, at most 1) and MPR (days
supplied, may exceed 1). All are shares of 1. 0.8 is the customary line for PDC [S]; no cut-off
for dose data is validated. "Reported taken" is not "swallowed". What becomes of one dose is in
`measures.dose`, and its `next_state` can be had from here too.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from measures.dose import FINAL, TAKEN, next_state

__all__ = [
    "GOOD",
    "Adherence",
    "Dose",
    "Supply",
    "adherence",
    "missed_in_a_row",
    "mpr",
    "next_state",
    "pdc",
]

# A share below it over a week is worth a word with the family: default [M].
GOOD: Final = 0.8
_DAY: Final = timedelta(days=1)


class Dose(Struct, frozen=True):
    """One prescribed dose and what became of it; `at` is the time of that state."""

    due_at: datetime
    window_from: datetime
    window_to: datetime
    state: str
    at: datetime | None = None


class Adherence(Struct, frozen=True, kw_only=True):
    """Counts, and the three shares made of them; a share of nothing is None."""

    prescribed: int
    taken: int
    in_window: int
    days: int
    correct_days: int

    @property
    def taking(self) -> float | None:
        """Doses taken, also late, of those prescribed."""
        return self.taken / self.prescribed if self.prescribed else None

    @property
    def timing(self) -> float | None:
        """Doses taken within their window, of those prescribed."""
        return self.in_window / self.prescribed if self.prescribed else None

    @property
    def correct_dosing_days(self) -> float | None:
        """Days on which every prescribed dose was taken, of the days with a dose."""
        return self.correct_days / self.days if self.days else None


def adherence(doses: Iterable[Dose], zone: ZoneInfo) -> Adherence:
    """Figures over the doses that are settled; a withdrawn dose was not prescribed, and an open
    one cannot be judged yet. A day is a day on the person's own calendar."""
    settled = [dose for dose in doses if dose.state in FINAL and dose.state != "withdrawn"]
    by_day: dict[date, bool] = {}
    for dose in settled:
        day = dose.due_at.astimezone(zone).date()
        by_day[day] = by_day.get(day, True) and dose.state in TAKEN
    return Adherence(
        prescribed=len(settled),
        taken=sum(dose.state in TAKEN for dose in settled),
        in_window=sum(_in_window(dose) for dose in settled),
        days=len(by_day),
        correct_days=sum(by_day.values()),
    )


def _in_window(dose: Dose) -> bool:
    if dose.state != "taken":
        return False
    return dose.at is None or dose.window_from <= dose.at <= dose.window_to


def missed_in_a_row(doses: Iterable[Dose]) -> int:
    """How many of the last settled doses, by due time, were not taken, one after the other."""
    settled = sorted(
        (dose for dose in doses if dose.state in FINAL and dose.state != "withdrawn"),
        key=lambda dose: dose.due_at,
        reverse=True,
    )
    count = 0
    for dose in settled:
        if dose.state in TAKEN:
            break
        count += 1
    return count


class Supply(Struct, frozen=True):
    """A package handed out: on which day, and for how many days it lasts."""

    on: date
    days: int


def pdc(supplies: Iterable[Supply], start: date, end: date) -> float:
    """Proportion of days covered from `start` until before `end`; what overlaps is used later."""
    length = _length(start, end)
    covered = 0
    free = date.min
    for supply in sorted(supplies, key=lambda one: one.on):
        first = max(supply.on, free)
        free = first + supply.days * _DAY
        covered += max(0, (min(free, end) - max(first, start)).days)
    return covered / length


def mpr(supplies: Iterable[Supply], start: date, end: date) -> float:
    """Medication possession ratio: days supplied by days, from `start` until before `end`."""
    days = sum(supply.days for supply in supplies if start <= supply.on < end)
    return days / _length(start, end)


def _length(start: date, end: date) -> int:
    if end <= start:
        raise ValueError("the period must have at least one day")
    return (end - start).days
