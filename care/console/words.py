"""How the console writes times, people and values. Pure: `now` and the zone are passed in."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from care.console.texts import Say
from contract.vitals import FLAGS, UNITS, VITALS, flag_names

# Safety rule 1: up to 15 minutes between measuring and receiving is live.
LATE_AFTER = timedelta(minutes=15)


def zone(name: str) -> ZoneInfo:
    """The time zone; UTC for one this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def span(say: Say, length: timedelta) -> str:
    """A length of time in its largest unit, such as `12 min`."""
    minutes = int(length.total_seconds() // 60)
    if minutes < 60:
        return say("time.span_minutes", n=max(minutes, 0))
    if minutes < 48 * 60:
        return say("time.span_hours", n=minutes // 60)
    return say("time.span_days", n=minutes // (24 * 60))


def ago(say: Say, at: datetime | None, now: datetime) -> str:
    """How long ago, or how soon, in words: `12 min ago`, `in 3 min`."""
    if at is None:
        return say("time.never")
    length = now - at
    if abs(length) < timedelta(minutes=1):
        return say("time.now" if length >= timedelta(0) else "time.in_now")
    if length > timedelta(0):
        return say("time.ago", span=span(say, length))
    return say("time.ahead", span=span(say, -length))


def moment(say: Say, at: datetime, zone_name: str, now: datetime) -> str:
    """An instant as a person there says it: `today 14:20`, `11-20 14:20`, `2025-11-20 14:20`."""
    local, today = at.astimezone(zone(zone_name)), now.astimezone(zone(zone_name)).date()
    time = local.strftime("%H:%M")
    if local.date() == today:
        return say("time.today", time=time)
    if local.date() == today - timedelta(days=1):
        return say("time.yesterday", time=time)
    return local.strftime("%m-%d %H:%M" if local.year == today.year else "%Y-%m-%d %H:%M")


def age(birth_date: date, today: date) -> int:
    """Whole years."""
    return today.year - birth_date.year - ((today.month, today.day) < _day(birth_date))


def _day(of: date) -> tuple[int, int]:
    return (of.month, of.day)


def person(say: Say, sex: str | None, birth_date: date | None, now: datetime) -> str:
    """Sex and age, as far as they are known: `female · 74 y`."""
    years = age(birth_date, now.astimezone(UTC).date()) if birth_date else None
    said = [
        say.known("person", sex, "") if sex else "",
        say("person.age", n=years) if years is not None else "",
    ]
    return " · ".join(part for part in said if part)


def number(value: float | None) -> str:
    """A value without needless digits; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:.1f}".rstrip("0").rstrip(".")


def pressure(sys: float | None, dia: float | None) -> str:
    """`186/112`."""
    return f"{number(sys)}/{number(dia)}"


def reading(kind: str, values: Sequence[float | None]) -> tuple[str, str]:
    """Any reading and its unit: `186/112` and `mmHg` for a pressure."""
    vital = VITALS.get(kind)
    if vital is None:
        return number(values[0]), ""
    told = "/".join(number(value) for value in values[: vital.leading])
    return told, unit_symbol(vital.parts[0].unit)


def unit_symbol(ucum: str) -> str:
    """A unit as people write it."""
    return UNITS[ucum].symbol


def kind_name(say: Say, kind: str) -> str:
    """What was measured."""
    vital = VITALS.get(kind)
    return vital.names.of(say.locale) if vital else kind


def flags(say: Say, bits: int) -> list[str]:
    """The names of the flags that are set."""
    return [FLAGS[name].names.of(say.locale) for name in flag_names(bits)]


def counts(bits: int, clock: str) -> bool:
    """Whether a reading belongs into trends: believable, no demonstration, time trusted."""
    return clock != "untrusted" and all(FLAGS[name].counts for name in flag_names(bits))


def finding(bits: int) -> bool:
    """Whether the flags themselves are the finding: too high or too low to measure, failed."""
    return any(FLAGS[name].explains_no_value for name in flag_names(bits))
