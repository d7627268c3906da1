"""The line through samples of memory: what grows is seen, what only warms up or jitters is not."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.soak.growth import Sample, growth

_MB = 1_000_000


def test_a_leak_is_seen_as_large_as_it_is() -> None:
    """A megabyte an hour on a hundred is one percent, however short the run."""
    for seconds in (60, 600, 3600):
        samples = [Sample(s, round(100 * _MB + s / 3600 * _MB)) for s in range(seconds)]
        found = growth(samples, warm_up=0.0)
        assert found is not None
        assert found.share_per_h == pytest.approx(0.01, rel=0.01)
        assert found.rise == pytest.approx(0.01 * seconds / 3600, rel=0.05)


def test_warming_up_is_no_leak() -> None:
    """It doubles in the first fifth and stays so."""
    samples = [Sample(s, 50 * _MB + min(s, 120) * _MB // 2) for s in range(600)]
    found = growth(samples)
    assert found is not None
    assert found.share_per_h == pytest.approx(0.0, abs=1e-9)
    assert found.start_mb == pytest.approx(110.0)


def test_jitter_is_no_leak() -> None:
    """Half a megabyte up and down over ten minutes is not one percent of growth."""
    dice = random.Random(1)
    samples = [Sample(s, 80 * _MB + dice.randrange(-_MB // 2, _MB // 2)) for s in range(600)]
    found = growth(samples)
    assert found is not None
    assert abs(found.rise) < 0.01


@given(
    st.floats(-50, 50),
    st.lists(st.integers(0, 3600), min_size=3, max_size=50, unique=True).map(sorted),
)
def test_a_line_is_found_whenever_it_was_looked_at(mb_per_h: float, seconds: list[int]) -> None:
    """Uneven samples of a straight line give that line."""
    samples = [Sample(s, round(100 * _MB + mb_per_h * _MB * s / 3600)) for s in seconds]
    found = growth(samples, warm_up=0.0)
    assert found is not None
    assert found.share_per_h * found.start_mb == pytest.approx(mb_per_h, abs=0.01)


@pytest.mark.parametrize("samples", [[], [Sample(0, 1)] * 5, [Sample(0, 1), Sample(1, 1)]])
def test_too_little_says_nothing(samples: list[Sample]) -> None:
    """Nothing, one instant, two points."""
    assert growth(samples, warm_up=0.0) is None
