"""The statistics, against worked vectors of the literature."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measures.statistics import (
    MAD_SCALE,
    NotEnoughData,
    arv,
    cv,
    fraction_within,
    mad,
    mean,
    median,
    sd,
    theil_sen,
    ttr,
)

WEEK = [138, 142, 136, 150, 145, 139, 148]
START = datetime(2026, 1, 1, tzinfo=UTC)


def on_days(days: list[float], values: list[float]) -> list[tuple[datetime, float]]:
    """Values on days after the start."""
    return [(START + timedelta(days=d), v) for d, v in zip(days, values, strict=True)]


def test_the_worked_week() -> None:
    """Seven systolic values: every figure to the digits it was published with."""
    assert round(mean(WEEK), 3) == 142.571
    assert round(sd(WEEK), 3) == 5.287
    assert round(cv(WEEK), 3) == 3.708
    assert round(arv(WEEK), 3) == 7.333
    assert median(WEEK) == 142
    assert round(MAD_SCALE * mad(WEEK), 3) == 5.930
    assert round(theil_sen(range(7), WEEK), 1) == 1.2


def test_theil_sen_on_the_data_of_its_paper() -> None:
    """Sen 1968: slope 4.0; points at the same x make no pair."""
    assert theil_sen([1, 2, 3, 4, 10, 12, 18], [9, 15, 19, 20, 45, 55, 78]) == 4.0
    assert theil_sen([1, 1, 2], [5, 7, 8]) == 2.0


@pytest.mark.parametrize(
    ("low", "high", "within"), [(110, 140, 0.750), (120, 130, 0.1667), (100, 200, 1.0)]
)
def test_time_in_range_after_rosendaal(low: float, high: float, within: float) -> None:
    """150, 140, 128, 136 on days 0, 7, 14, 28."""
    share = ttr(on_days([0, 7, 14, 28], [150, 140, 128, 136]), low, high)
    assert share is not None
    assert round(share.within, 4) == within
    assert share.below + share.within + share.above == pytest.approx(1)
    assert share.days == 28


def test_long_gaps_are_not_interpolated() -> None:
    """56 days are bridged, a day more is not; without any bridge there is no figure."""
    assert ttr(on_days([0, 57], [120, 120]), 110, 140) is None
    assert ttr(on_days([0], [120]), 110, 140) is None
    bridged = ttr(on_days([0, 56, 200], [120, 120, 500]), 110, 140)
    assert bridged is not None
    assert (bridged.within, bridged.days) == (1, 56)


def test_time_in_range_is_not_the_fraction_of_readings() -> None:
    """Two different numbers: three quarters of the time, three of four readings, or not."""
    points = on_days([0, 7, 14, 28], [150, 141, 128, 136])
    share = ttr(points, 110, 140)
    assert share is not None
    assert fraction_within([value for _, value in points], 110, 140) == 0.5
    assert share.within != pytest.approx(0.5)


@pytest.mark.parametrize("figure", [mean, median, mad])
def test_a_figure_of_nothing_is_refused(figure: object) -> None:
    """No silent zero or NaN."""
    with pytest.raises(NotEnoughData):
        figure([])  # type: ignore[operator]


@pytest.mark.parametrize("figure", [sd, cv, arv])
def test_a_spread_needs_two_values(figure: object) -> None:
    """One value has no spread."""
    with pytest.raises(NotEnoughData):
        figure([120])  # type: ignore[operator]
    with pytest.raises(NotEnoughData):
        theil_sen([1, 1], [2, 3])


PRESSURES = st.lists(st.floats(40, 260), min_size=2, max_size=20)


@settings(max_examples=100, deadline=None)
@given(values=PRESSURES, shift=st.floats(-30, 30))
def test_spread_ignores_where_the_values_lie(values: list[float], shift: float) -> None:
    """Moving every value moves mean and median and leaves SD, MAD and ARV alone."""
    moved = [value + shift for value in values]
    assert mean(moved) == pytest.approx(mean(values) + shift)
    assert median(moved) == pytest.approx(median(values) + shift)
    for spread in (sd, mad, arv):
        assert spread(moved) == pytest.approx(spread(values), abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(values=PRESSURES, low=st.floats(40, 150), width=st.floats(1, 100))
def test_shares_of_time_add_up(values: list[float], low: float, width: float) -> None:
    """Below, within and above are shares of the whole, in any order of the points."""
    points = on_days([float(day) for day in range(len(values))], values)
    share = ttr(points, low, low + width)
    assert share is not None
    assert math.isclose(share.below + share.within + share.above, 1, abs_tol=1e-9)
    assert all(-1e-9 <= part <= 1 + 1e-9 for part in (share.below, share.within, share.above))
    assert ttr(points[::-1], low, low + width) == share
