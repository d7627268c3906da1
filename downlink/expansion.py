"""A plan item becomes the instants at which it rings. Pure.

The plan is in local time, the device gets instants: no device knows zones or summer time.
- A local time that does not exist (clocks go forward) rings at the next instant that does.
- A local time that exists twice (clocks go back) rings at the first.
- A local day that does not exist at all (a change of date line) has no doses.
- Two times that fall on one instant are one dose: nothing ever advises taking two.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, WEEKLY, rrule, rruleset
from msgspec import Struct

# No clock change is longer than this, except a change of date line, which skips a day.
_LONGEST_GAP = timedelta(hours=6)
_EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)


class Schedule(Struct, frozen=True):
    """When an item is due: local times on ISO weekdays (Monday is 1), from a day to a day."""

    item_id: int
    times: tuple[time, ...]
    weekdays: tuple[int, ...]
    starts_on: date
    ends_on: date | None = None


class Span(NamedTuple):
    """A zone and the instant it holds from; the first of a list also holds before."""

    since: datetime
    zone: ZoneInfo


class Occurrence(NamedTuple):
    """One dose: its id, stable for ever, and the instant it rings."""

    dose_id: str
    due_at: datetime


def occurrences(
    schedule: Schedule, spans: Sequence[Span], since: datetime, until: datetime
) -> list[Occurrence]:
    """Every dose due in [since, until), in order; each id and each instant at most once.

    `spans` are the patient's zones over time, in order, at least one.
    """
    by_instant: dict[datetime, str] = {}
    seen: set[str] = set()
    for i, span in enumerate(spans):
        for local in _local_times(schedule, span.zone, since, until):
            due_at = _within(spans, i, local)
            dose_id = f"r{schedule.item_id}-{local:%Y%m%dT%H%M}"
            if due_at is None or not since <= due_at < until or dose_id in seen:
                continue
            seen.add(dose_id)
            # Of two local times in a gap the later is the one a clock really shows then.
            by_instant[due_at] = dose_id
    return [Occurrence(by_instant[due_at], due_at) for due_at in sorted(by_instant)]


def _within(spans: Sequence[Span], i: int, local: datetime) -> datetime | None:
    """The instant of a local time while zone `i` holds, None if it falls outside.

    A local time that a change of zone jumps over rings when the new zone begins to hold.
    """
    due_at = instant_of(local, spans[i].zone)
    if due_at is None or (i + 1 < len(spans) and due_at >= spans[i + 1].since):
        return None
    if i == 0 or due_at >= spans[i].since:
        return due_at
    before = instant_of(local, spans[i - 1].zone)
    return spans[i].since if before is not None and before >= spans[i].since else None


def _local_times(
    schedule: Schedule, zone: ZoneInfo, since: datetime, until: datetime
) -> Iterator[datetime]:
    """The nominal local times, naive; a day more at each side, because a gap moves them."""
    first = max(schedule.starts_on, (since.astimezone(zone) - timedelta(days=1)).date())
    last = (until.astimezone(zone) + timedelta(days=1)).date()
    if schedule.ends_on is not None:
        last = min(last, schedule.ends_on)
    days = rruleset()
    for at in schedule.times:
        days.rrule(
            rrule(
                DAILY,
                dtstart=datetime.combine(first, at),
                until=datetime.combine(last, at),
                byweekday=[day - 1 for day in schedule.weekdays],
            )
        )
    return iter(days)


def instant_of(local: datetime, zone: ZoneInfo) -> datetime | None:
    """The instant (UTC) at which a naive local time rings; None on a day that does not exist."""
    early = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if early.astimezone(zone).replace(tzinfo=None) == local:
        return early
    # In a gap the two readings of the local time lie on both sides of the change.
    before = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if abs(early - before) > _LONGEST_GAP:
        return None
    return _change_between(min(early, before), max(early, before), zone)


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first instant of the new offset; offsets change at whole seconds."""
    old = before.astimezone(zone).utcoffset()
    low, high = 0, int((after - before).total_seconds())
    while low < high:
        middle = (low + high) // 2
        if (before + timedelta(seconds=middle)).astimezone(zone).utcoffset() == old:
            low = middle + 1
        else:
            high = middle
    return before + timedelta(seconds=low)


def rule_text(schedule: Schedule) -> str | None:
    """The schedule as an RRULE for people who read the message; None if one rule cannot say it."""
    minutes = {at.minute for at in schedule.times}
    if len(minutes) != 1:
        return None
    every_day = set(schedule.weekdays) == set(_EVERY_DAY)
    rule = rrule(
        DAILY if every_day else WEEKLY,
        dtstart=datetime.combine(schedule.starts_on, time()),
        byweekday=None if every_day else [day - 1 for day in schedule.weekdays],
        byhour=sorted(at.hour for at in schedule.times),
        byminute=minutes.pop(),
    )
    return str(rule).split("RRULE:", 1)[1]
