"""A plan in local time becomes instants: none lost, none doubled, in every zone."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from downlink.expansion import Occurrence, Schedule, Span, instant_of, occurrences, rule_text

EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

# Zones whose clocks change by an hour, by half an hour, at midnight, southern, never, and oddly.
ZONES = (
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Casablanca",
    "Asia/Tehran",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "America/Havana",
)


def zone_of(name: str) -> list[Span]:
    """One zone for ever."""
    return [Span(LONG_AGO, ZoneInfo(name))]


def schedule(*times: str, weekdays: tuple[int, ...] = EVERY_DAY, **dates: date) -> Schedule:
    """Item 7, from 2026 on unless said otherwise."""
    return Schedule(
        item_id=7,
        times=tuple(time.fromisoformat(t) for t in times),
        weekdays=weekdays,
        starts_on=dates.get("starts_on", date(2020, 1, 1)),
        ends_on=dates.get("ends_on"),
    )


def days(*parts: int, count: int = 1) -> tuple[datetime, datetime]:
    """A span of whole UTC days."""
    start = datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]
    return start, start + timedelta(days=count)


def local_hours(found: list[Occurrence], zone: str) -> list[str]:
    """What a clock on the wall shows when each dose rings."""
    return [o.due_at.astimezone(ZoneInfo(zone)).strftime("%d %H:%M") for o in found]


def test_a_plan_in_china_rings_by_the_clock_on_the_wall() -> None:
    """Twice a day, ids made of the item and the local minute, in order."""
    found = occurrences(schedule("20:00", "08:00"), zone_of("Asia/Shanghai"), *days(2026, 11, 22))
    assert found == [
        Occurrence("r7-20261122T0800", datetime(2026, 11, 22, 0, 0, tzinfo=UTC)),
        Occurrence("r7-20261122T2000", datetime(2026, 11, 22, 12, 0, tzinfo=UTC)),
    ]


@pytest.mark.parametrize(
    ("zone", "day", "times", "rings"),
    [
        # Berlin skips 02:00-03:00 on 29 March: the dose of 02:30 rings at 03:00.
        ("Europe/Berlin", (2026, 3, 29), ("02:30",), ["29 03:00"]),
        # ... once, even when 03:00 is a dose as well: never two at one instant.
        ("Europe/Berlin", (2026, 3, 29), ("02:30", "03:00"), ["29 03:00"]),
        # Berlin has 02:30 twice on 25 October: the first one rings.
        ("Europe/Berlin", (2026, 10, 25), ("02:30",), ["25 02:30"]),
        # Lord Howe moves by half an hour.
        ("Australia/Lord_Howe", (2026, 10, 3), ("02:15",), ["04 02:30"]),
        # Havana skips midnight itself.
        ("America/Havana", (2026, 3, 8), ("00:30",), ["08 01:00"]),
    ],
)
def test_summer_time_moves_a_dose_and_never_loses_or_doubles_it(
    zone: str, day: tuple[int, int, int], times: tuple[str, ...], rings: list[str]
) -> None:
    """Promise 24: gaps ring at the next instant that exists, repeats ring once."""
    found = occurrences(schedule(*times), zone_of(zone), *days(*day))
    assert local_hours(found, zone) == rings


def test_the_repeated_hour_rings_at_its_first_pass() -> None:
    """02:30 in Berlin on 25 October 2026 first comes in summer time, at 00:30 UTC."""
    found = occurrences(schedule("02:30"), zone_of("Europe/Berlin"), *days(2026, 10, 25))
    assert [o.due_at for o in found] == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC)]


def test_a_day_that_does_not_exist_has_no_doses() -> None:
    """Samoa went from 29 to 31 December 2011: no dose is squeezed in for the 30th."""
    found = occurrences(
        schedule("08:00", "20:00", starts_on=date(2011, 1, 1)),
        zone_of("Pacific/Apia"),
        datetime(2011, 12, 29, 12, tzinfo=UTC),
        datetime(2011, 12, 31, 12, tzinfo=UTC),
    )
    assert local_hours(found, "Pacific/Apia") == ["29 08:00", "29 20:00", "31 08:00", "31 20:00"]


def test_weekdays_and_dates_bound_a_plan() -> None:
    """Monday, Wednesday, Friday; the first and the last day belong to it."""
    found = occurrences(
        schedule(
            "08:00", weekdays=(1, 3, 5), starts_on=date(2026, 11, 4), ends_on=date(2026, 11, 11)
        ),
        zone_of("Asia/Shanghai"),
        *days(2026, 11, 1, count=20),
    )
    assert [o.dose_id for o in found] == [
        "r7-20261104T0800",
        "r7-20261106T0800",
        "r7-20261109T0800",
        "r7-20261111T0800",
    ]


def test_a_patient_who_moves_keeps_one_dose_for_each_local_time() -> None:
    """Shanghai to Urumqi time (back two hours) doubles nothing; the way back loses nothing."""
    shanghai, urumqi = ZoneInfo("Asia/Shanghai"), ZoneInfo("Asia/Urumqi")
    moved = datetime(2026, 11, 22, 0, 30, tzinfo=UTC)  # 08:30 in Shanghai, 06:30 in Urumqi
    west = occurrences(
        schedule("08:00"), [Span(LONG_AGO, shanghai), Span(moved, urumqi)], *days(2026, 11, 21)
    ) + occurrences(
        schedule("08:00"),
        [Span(LONG_AGO, shanghai), Span(moved, urumqi)],
        *days(2026, 11, 22, count=2),
    )
    assert [o.dose_id[-13:] for o in west] == ["20261121T0800", "20261122T0800", "20261123T0800"]
    east = occurrences(
        schedule("08:00"),
        # At 07:30 in Urumqi the new clock shows 09:30: 08:00 was jumped over, and rings now.
        [Span(LONG_AGO, urumqi), Span(datetime(2026, 11, 22, 1, 30, tzinfo=UTC), shanghai)],
        *days(2026, 11, 21, count=3),
    )
    assert [o.due_at.hour * 60 + o.due_at.minute for o in east] == [120, 90, 0]


clock_times = st.times().map(lambda t: t.replace(second=0, microsecond=0, tzinfo=None))
local_times = st.builds(
    datetime.combine, st.dates(date(2021, 1, 1), date(2036, 12, 31)), clock_times
)
starts = local_times.map(lambda d: d.replace(tzinfo=UTC))


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    times=st.lists(clock_times, min_size=1, max_size=4, unique=True),
    start=starts,
)
def test_every_local_time_rings_once_a_day(zone: str, times: list[time], start: datetime) -> None:
    """Property: each (day, time) is one dose, at the wall-clock time unless that is skipped."""
    plan = Schedule(7, tuple(times), EVERY_DAY, date(2020, 1, 1))
    span = zone_of(zone)
    found = occurrences(plan, span, start, start + timedelta(days=15))
    assert len({o.dose_id for o in found}) == len(found)
    assert len({o.due_at for o in found}) == len(found)
    for dose_id, due_at in found:
        nominal = datetime.fromisoformat(dose_id.split("-")[1])
        shown = due_at.astimezone(span[0].zone).replace(tzinfo=None)
        skipped = (
            nominal.replace(tzinfo=span[0].zone)
            .astimezone(UTC)
            .astimezone(span[0].zone)
            .replace(tzinfo=None)
            != nominal
        )
        assert shown == nominal or (skipped and timedelta() < shown - nominal <= timedelta(hours=2))
    whole_days = {
        o.dose_id.split("-")[1][:8]
        for o in occurrences(plan, span, start - timedelta(days=2), start + timedelta(days=17))
    }
    assert len(whole_days) >= 18


@settings(max_examples=40, deadline=None)
@given(zone=st.sampled_from(ZONES), at=clock_times, start=starts, cut=st.integers(1, 14 * 86400))
def test_a_plan_renewed_at_any_moment_is_the_same_plan(
    zone: str, at: time, start: datetime, cut: int
) -> None:
    """Property: expanding in two parts gives the doses of one expansion, with the same ids."""
    plan = Schedule(7, (at,), EVERY_DAY, date(2020, 1, 1))
    middle, end = start + timedelta(seconds=cut), start + timedelta(days=15)
    whole = occurrences(plan, zone_of(zone), start, end)
    parts = occurrences(plan, zone_of(zone), start, middle)
    parts += occurrences(plan, zone_of(zone), middle, end)
    assert parts == whole


@settings(max_examples=60, deadline=None)
@given(zone=st.sampled_from(ZONES), local=local_times)
def test_an_instant_is_never_before_its_local_time(zone: str, local: datetime) -> None:
    """Property: no dose rings before the wall clock has reached its time."""
    instant = instant_of(local, ZoneInfo(zone))
    assert instant is not None
    assert instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) >= local


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (schedule("08:00", "20:00"), "FREQ=DAILY;BYHOUR=8,20;BYMINUTE=0"),
        (schedule("07:30", weekdays=(1, 4)), "FREQ=WEEKLY;BYDAY=MO,TH;BYHOUR=7;BYMINUTE=30"),
        (schedule("07:30", "20:00"), None),
    ],
)
def test_the_rule_is_shown_where_one_rule_can_say_it(plan: Schedule, text: str | None) -> None:
    """BYHOUR and BYMINUTE multiply: times that differ in both have no single rule."""
    assert rule_text(plan) == text
