"""Sessions: what belongs to one sitting, and what value it stands for."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.session import GAP, LENGTH, Sample, differ, part_of_day, sessions

START = datetime(2026, 11, 22, 0, 30, tzinfo=UTC)


def sample(minutes: float, sys: float = 140, dia: float = 85, pr: float | None = None) -> Sample:
    """A sample some minutes after the start."""
    return Sample(START + timedelta(minutes=minutes), sys, dia, pr)


@pytest.mark.parametrize(
    ("minutes", "sizes"),
    [
        ([], []),
        ([0], [1]),
        ([0, 1], [2]),
        ([0, 10], [2]),  # ten minutes apart still belong together
        ([0, 10.1], [1, 1]),
        ([0, 10, 20, 30], [4]),  # thirty minutes from first to last
        ([0, 10, 20, 30.1], [3, 1]),  # chained, and too long
        ([0, 9, 18, 27, 36, 45], [4, 2]),
        ([50, 0, 1, 51], [2, 2]),  # given in any order
    ],
)
def test_chains_of_ten_minutes_up_to_thirty(minutes: list[float], sizes: list[int]) -> None:
    """At most 10 min from one to the next, at most 30 min in all."""
    assert [len(s.samples) for s in sessions(sample(m) for m in minutes)] == sizes


def test_the_value_is_the_mean_of_all() -> None:
    """All samples of the sitting count, the pulse where there is one."""
    (session,) = sessions([sample(0, 150, 90, 70), sample(1, 138, 88), sample(2, 141, 86, 74)])
    assert (session.sys, session.dia, session.pr) == (143, 88, 72)
    assert (session.start, session.end) == (START, START + timedelta(minutes=2))
    assert sessions([sample(0)])[0].pr is None


@pytest.mark.parametrize(
    ("first", "second", "third_wanted"),
    [
        ((150, 90), (140, 90), False),  # ten apart is not more than ten
        ((150, 90), (139.9, 90), True),
        ((150, 90), (150, 79), True),  # either number
        ((139, 80), (150, 80), True),
    ],
)
def test_a_third_is_wanted_when_two_differ_by_more_than_ten(
    first: tuple[float, float], second: tuple[float, float], third_wanted: bool
) -> None:
    """China 2024: more than 10 mmHg in either number."""
    samples = [sample(0, *first), sample(1, *second)]
    assert differ(*samples) is third_wanted
    assert sessions(samples)[0].needs_third is third_wanted
    assert not sessions([*samples, sample(2)])[0].needs_third
    assert not sessions(samples[:1])[0].needs_third


@pytest.mark.parametrize(
    ("utc", "zone", "part"),
    [
        ((0, 30), "Asia/Shanghai", "morning"),  # half past eight there
        ((0, 30), "Europe/London", "other"),
        ((12, 30), "Asia/Shanghai", "evening"),
        ((21, 0), "Asia/Shanghai", "morning"),  # five o'clock: the start counts
        ((2, 0), "Asia/Shanghai", "other"),  # ten o'clock: the end does not
        ((15, 0), "Asia/Shanghai", "other"),
    ],
)
def test_morning_and_evening_are_the_persons_own(
    utc: tuple[int, int], zone: str, part: str
) -> None:
    """The same instant is morning in Shanghai and night in London."""
    at = datetime(2026, 11, 22, *utc, tzinfo=UTC)
    assert part_of_day(at, ZoneInfo(zone)) == part


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 300), max_size=25))
def test_every_sample_is_in_exactly_one_session(minutes: list[float]) -> None:
    """None lost, none twice, in order, no gap or length beyond the limits, whatever the order."""
    samples = [sample(m) for m in minutes]
    found = sessions(samples)
    assert [s for session in found for s in session.samples] == sorted(samples, key=lambda s: s.at)
    assert found == sessions(samples[::-1])
    for session in found:
        assert session.end - session.start <= LENGTH
        times = [s.at for s in session.samples]
        assert all(b - a <= GAP for a, b in pairwise(times))
