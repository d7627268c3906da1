"""How complete a person's data is, day by day: what was expected, what came, what is lost. Pure.

Expected is what the plan asked for on that day; without a plan, what the person's interval asks
for: so many a day, or with an interval of several days one on the day it has run out. What is
missing are *messages* of the devices that measure the person, told on every day on which they may
have been sent: between the arrivals of their neighbours. A message may hold several readings, or
none of this person, so the two are never set off against each other.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

_DAY = timedelta(days=1)


class Asked(Struct, frozen=True, kw_only=True):
    """What is expected of a person: a reading at least every `every_s` seconds (None: nothing)
    since a day, and what the plan asked for on single days."""

    every_s: int | None
    since: date
    planned: Mapping[date, int]


class Loss(Struct, frozen=True, kw_only=True):
    """Messages that did not come between two that did. `missing` may still come, `lost` will not;
    `unclear` says that the device's count broke off: whether anything is missing is not known."""

    after_at: datetime
    before_at: datetime
    missing: int = 0
    lost: int = 0
    unclear: int = 0


class Day(Struct, frozen=True, kw_only=True):
    """One local day. `expected` None: nothing was. `over` False: the day still goes on, and only
    what was due so far is expected."""

    on: date
    over: bool
    expected: int | None
    came: int
    missing: int
    lost: int
    unclear: int

    @property
    def complete(self) -> bool:
        """As many came as were expected, and nothing is known to be missing."""
        return self.came >= (self.expected or 0) and not (self.missing or self.lost)


def days(
    first: date,
    *,
    now: datetime,
    zone: ZoneInfo,
    asked: Asked,
    came: Mapping[date, int],
    losses: Iterable[Loss],
) -> list[Day]:
    """Every day from `first` to today in the person's zone, the latest first.

    `came` counts readings by local day; for an interval of several days also before `first`.
    """
    today = now.astimezone(zone).date()
    spans = [(_on(one.after_at, zone), _on(one.before_at, zone), one) for one in losses]
    found = []
    for n in range((today - first).days + 1):
        on = today - n * _DAY
        touching = [loss for begin, end, loss in spans if begin <= on <= end]
        part = 1.0 if on < today else _part_of_day(now, on, zone)
        found.append(
            Day(
                on=on,
                over=on < today,
                expected=expected(on, asked, came, part),
                came=came.get(on, 0),
                missing=sum(loss.missing for loss in touching),
                lost=sum(loss.lost for loss in touching),
                unclear=sum(loss.unclear for loss in touching),
            )
        )
    return found


def expected(on: date, asked: Asked, came: Mapping[date, int], part: float = 1.0) -> int | None:
    """How many readings a day should bring, of which `part` (0 to 1) is over."""
    if on in asked.planned:
        return asked.planned[on]
    if asked.every_s is None or on <= asked.since:
        return None
    if asked.every_s <= _DAY.total_seconds():
        return int(_DAY.total_seconds() / asked.every_s * part)
    before = range(1, interval_days(asked.every_s))
    waits = (
        any(came.get(on - n * _DAY, 0) for n in before) or on - len(before) * _DAY <= asked.since
    )
    return 0 if waits or part < 1.0 else 1


def interval_days(every_s: int) -> int:
    """In how many days, begun ones included, a reading is expected."""
    return -(-every_s // int(_DAY.total_seconds()))


def _on(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()


def _part_of_day(now: datetime, on: date, zone: ZoneInfo) -> float:
    begin = datetime(on.year, on.month, on.day, tzinfo=zone)
    following = on + _DAY
    end = datetime(following.year, following.month, following.day, tzinfo=zone)
    length = end.timestamp() - begin.timestamp()
    return min(1.0, (now.timestamp() - begin.timestamp()) / length)
