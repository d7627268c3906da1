"""What was expected of a day, what came of it, and what is known to be lost."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from measures.completeness import Asked, Loss, days, expected

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = timedelta(days=1)
TODAY = date(2026, 3, 4)
NOON = datetime(2026, 3, 4, 12, tzinfo=SHANGHAI)
LONG_AGO = date(2025, 1, 1)


def asked(every_s: int | None = None, **planned: int) -> Asked:
    """An interval, and a plan by days of March."""
    return Asked(
        every_s=every_s,
        since=LONG_AGO,
        planned={date(2026, 3, int(day[1:])): number for day, number in planned.items()},
    )


def test_an_interval_of_hours_expects_so_many_a_day() -> None:
    """And of a day that goes on only what was due so far."""
    assert expected(TODAY, asked(6 * 3600), {}) == 4
    assert expected(TODAY, asked(86_400), {}) == 1
    found = days(
        TODAY - DAY, now=NOON, zone=SHANGHAI, asked=asked(6 * 3600), came={TODAY: 2}, losses=[]
    )
    assert [(day.expected, day.came, day.over, day.complete) for day in found] == [
        (2, 2, False, True),
        (4, 0, True, False),
    ]


def test_an_interval_of_days_expects_one_when_it_has_run_out() -> None:
    """Three days: measured on the first, one is expected on the fourth, and from then on."""
    came = {date(2026, 3, 1): 2}
    wanted = [expected(date(2026, 3, n), asked(259_200), came) for n in range(2, 7)]
    assert wanted == [0, 0, 1, 1, 1]
    assert expected(date(2026, 3, 4), asked(259_200), came, part=0.9) == 0


def test_the_plan_says_it_better_than_the_interval() -> None:
    """Where it asked for measurements on a day, these are what is expected."""
    assert expected(TODAY, asked(86_400, d4=3), {}) == 3
    assert expected(TODAY, asked(None, d3=3), {}) is None


def test_nothing_is_expected_before_somebody_is_enrolled() -> None:
    """Nor on the day itself; a longer interval begins to run there."""
    new = Asked(every_s=86_400, since=TODAY, planned={})
    assert [expected(TODAY + n * DAY, new, {}) for n in (-1, 0, 1)] == [None, None, 1]
    slow = Asked(every_s=259_200, since=TODAY, planned={})
    assert [expected(TODAY + n * DAY, slow, {}) for n in range(5)] == [None, 0, 0, 1, 1]


def test_what_is_missing_is_told_on_each_day_it_may_belong_to() -> None:
    """In the person's own zone: 17:00 in UTC is the next day in Shanghai."""
    at = datetime(2026, 3, 1, 17, tzinfo=UTC)
    losses = [
        Loss(after_at=at, before_at=at + DAY, missing=2, lost=3),
        Loss(after_at=at, before_at=at, unclear=1),
    ]
    found = days(date(2026, 3, 1), now=NOON, zone=SHANGHAI, asked=asked(), came={}, losses=losses)
    told = {day.on.day: (day.missing, day.lost, day.unclear) for day in found}
    assert told == {4: (0, 0, 0), 3: (2, 3, 0), 2: (2, 3, 1), 1: (0, 0, 0)}
    assert [day.complete for day in found] == [True, False, False, True]


@given(
    every_s=st.integers(3600, 40 * 86_400),
    measured=st.sets(st.integers(0, 60)),
    part=st.floats(0, 1),
)
def test_who_measures_often_enough_is_complete(
    every_s: int, measured: set[int], part: float
) -> None:
    """One a day is enough for every interval of a day or more; less time never expects more."""
    came = {TODAY - n * DAY: 24 for n in measured}
    wanted = expected(TODAY, asked(every_s), came)
    so_far = expected(TODAY, asked(every_s), came, part)
    assert wanted is not None
    assert so_far is not None
    assert 0 <= so_far <= wanted <= 24
    if every_s > 86_400 and 1 in measured:
        assert wanted == 0
