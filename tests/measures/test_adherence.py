"""Adherence: three figures from doses, two from supplies, with worked examples."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.adherence import Dose, Supply, adherence, missed_in_a_row, mpr, pdc

SHANGHAI = ZoneInfo("Asia/Shanghai")
FIRST = date(2026, 1, 1)
DAY = timedelta(days=1)


def dose(day: int, hour: int, state: str, minutes: int | None = 0) -> Dose:
    """A dose at a local hour of a day of January; taken some minutes after it was due."""
    due = datetime(2026, 1, day, hour, tzinfo=SHANGHAI).astimezone(UTC)
    at = None if minutes is None else due + timedelta(minutes=minutes)
    return Dose(due, due - timedelta(minutes=15), due + timedelta(minutes=60), state, at)


def test_three_figures_of_one_week_end() -> None:
    """Two doses a day on three days: one late, one missed, one taken too early."""
    figures = adherence(
        [
            dose(1, 8, "taken"),
            dose(1, 20, "taken"),
            dose(2, 8, "taken", -40),  # before its window: taken, not in time
            dose(2, 20, "late_taken", 90),
            dose(3, 8, "taken"),
            dose(3, 20, "missed"),
        ],
        SHANGHAI,
    )
    assert (figures.prescribed, figures.taken, figures.in_window) == (6, 5, 3)
    assert figures.taking == pytest.approx(5 / 6)
    assert figures.timing == pytest.approx(3 / 6)
    assert figures.correct_dosing_days == pytest.approx(2 / 3)


def test_withdrawn_and_open_doses_do_not_count() -> None:
    """What was not prescribed after all, and what cannot be judged yet."""
    figures = adherence(
        [dose(1, 8, "withdrawn"), dose(1, 20, "shown"), dose(2, 8, "scheduled")], SHANGHAI
    )
    assert (figures.prescribed, figures.days) == (0, 0)
    assert (figures.taking, figures.timing, figures.correct_dosing_days) == (None, None, None)


def test_a_day_is_a_day_on_the_persons_calendar() -> None:
    """7:00 and 22:00 in Shanghai are one day there and two in UTC."""
    doses = [dose(2, 7, "missed"), dose(2, 22, "taken")]
    assert adherence(doses, SHANGHAI).days == 1
    assert adherence(doses, ZoneInfo("UTC")).days == 2


@pytest.mark.parametrize(
    ("states", "missed"),
    [
        ([], 0),
        (["taken", "missed", "missed"], 2),
        (["missed", "taken"], 0),
        (["taken", "skipped", "missed", "failed"], 3),
        (["missed", "late_taken", "missed", "withdrawn", "missed", "shown"], 2),
    ],
)
def test_missed_in_a_row(states: list[str], missed: int) -> None:
    """The unbroken end of the settled doses, whatever order they come in."""
    doses = [dose(day, 8, state) for day, state in enumerate(states, 1)]
    assert missed_in_a_row(doses) == missed_in_a_row(doses[::-1]) == missed


def test_a_package_refilled_early() -> None:
    """30 tablets and the next package on day 25: MPR 1.2, PDC 1.0."""
    supplies = [Supply(FIRST, 30), Supply(FIRST + 25 * DAY, 30)]
    assert mpr(supplies, FIRST, FIRST + 25 * DAY) == pytest.approx(1.2)
    assert mpr(supplies, FIRST, FIRST + 50 * DAY) == pytest.approx(1.2)
    assert pdc(supplies, FIRST, FIRST + 25 * DAY) == 1.0
    assert pdc(supplies, FIRST, FIRST + 50 * DAY) == 1.0


def test_a_package_every_45_days() -> None:
    """30 days' supply every 45 days: two thirds of the days are covered."""
    supplies = [Supply(FIRST + i * 45 * DAY, 30) for i in range(4)]
    assert pdc(supplies, FIRST, FIRST + 180 * DAY) == pytest.approx(0.667, abs=0.001)


def test_what_overlaps_is_used_later_and_what_is_left_over_counts_within() -> None:
    """Two packages on one day last 60 days; a package from before the period reaches into it."""
    both = [Supply(FIRST, 30), Supply(FIRST, 30)]
    assert pdc(both, FIRST, FIRST + 60 * DAY) == 1.0
    assert pdc([Supply(FIRST - 20 * DAY, 30)], FIRST, FIRST + 20 * DAY) == 0.5


def test_a_period_without_days_is_refused() -> None:
    """No division by nothing."""
    with pytest.raises(ValueError, match="at least one day"):
        pdc([], FIRST, FIRST)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-40, 120), st.integers(1, 60)), max_size=8), st.integers(1, 120)
)
def test_coverage_is_a_share(supplies: list[tuple[int, int]], days: int) -> None:
    """PDC is between 0 and 1, and another package never lowers it."""
    packages = [Supply(FIRST + day * DAY, length) for day, length in supplies]
    share = pdc(packages, FIRST, FIRST + days * DAY)
    assert 0 <= share <= 1
    assert pdc([*packages, Supply(FIRST, 5)], FIRST, FIRST + days * DAY) >= share
