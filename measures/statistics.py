"""The statistics of trend and change that reports and rules are made of. Pure, plain Python.

Values are in whatever unit they come in; instants are datetimes, durations days.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import combinations, pairwise
from typing import Final

from msgspec import Struct

_DAY: Final = timedelta(days=1)
# Scales the median absolute deviation to the standard deviation of a normal distribution.
MAD_SCALE: Final = 1.4826


class NotEnoughData(ValueError):  # noqa: N818  it says what is the matter with the data
    """A figure was asked of fewer values than it can be made of."""


def _need(values: Sequence[object], least: int, what: str) -> None:
    if len(values) < least:
        raise NotEnoughData(f"{what} needs {least} values, got {len(values)}")


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean."""
    _need(values, 1, "a mean")
    return math.fsum(values) / len(values)


def sd(values: Sequence[float]) -> float:
    """Standard deviation of a sample (divisor n - 1)."""
    _need(values, 2, "a standard deviation")
    centre = mean(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def cv(values: Sequence[float]) -> float:
    """Coefficient of variation, in per cent of the mean."""
    return 100 * sd(values) / mean(values)


def arv(values: Sequence[float]) -> float:
    """Average real variability: mean absolute step from each value to the next, in order."""
    _need(values, 2, "an average real variability")
    return mean([abs(later - earlier) for earlier, later in pairwise(values)])


def median(values: Sequence[float]) -> float:
    """The middle value; between two middle values their mean."""
    _need(values, 1, "a median")
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def mad(values: Sequence[float]) -> float:
    """Median absolute deviation from the median; times MAD_SCALE it estimates an SD."""
    centre = median(values)
    return median([abs(value - centre) for value in values])


def theil_sen(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Median of the slopes between all pairs of points with different x."""
    points = list(zip(xs, ys, strict=True))
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x1 != x2]
    _need(slopes, 1, "a slope")
    return median(slopes)


class TimeInRange(Struct, frozen=True):
    """Shares of the time that was interpolated, and of the days it covers."""

    below: float
    within: float
    above: float
    days: float


def ttr(
    points: Sequence[tuple[datetime, float]], low: float, high: float, *, max_gap_days: float = 56
) -> TimeInRange | None:
    """Time in target range after Rosendaal: values between two measurements lie on a line.

    Gaps longer than `max_gap_days` are left out (56 as in anticoagulation practice [M]); None
    when nothing is left. The ends of the range belong to it.
    """
    ordered = sorted(points)
    below = within = above = 0.0
    for (start, first), (end, last) in pairwise(ordered):
        days = (end - start) / _DAY
        if not 0 < days <= max_gap_days:
            continue
        under = _share_under(first, last, low)
        over = _share_under(-first, -last, -high)
        below += days * under
        above += days * over
        within += days * (1 - under - over)
    total = below + within + above
    if total == 0:
        return None
    return TimeInRange(below / total, within / total, above / total, total)


def _share_under(first: float, last: float, limit: float) -> float:
    """The share of the straight way from `first` to `last` that lies under the limit."""
    if first == last:
        return 1.0 if first < limit else 0.0
    low, high = min(first, last), max(first, last)
    return (min(max(limit, low), high) - low) / (high - low)


def fraction_within(values: Sequence[float], low: float, high: float) -> float:
    """The plain fraction of values within a range: a different number than `ttr`."""
    _need(values, 1, "a fraction")
    return sum(1 for value in values if low <= value <= high) / len(values)
