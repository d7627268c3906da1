"""Which numbers were taken, as few unbroken ranges: what a receipt is made of."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

Range = tuple[int, int]

# A count with a hole at every other number would grow for ever. What is left out is not said to
# have been taken; who asks for it again puts it in again.
_MOST: Final = 512


class Ranges:
    """A set of natural numbers kept as ascending ranges, both ends included.

    Of more than `most` ranges it keeps the first and those around the number added last.
    """

    def __init__(self, ranges: Iterable[Range] = (), *, most: int = _MOST) -> None:
        self._most = most
        self._lows: list[int] = []
        self._highs: list[int] = []
        for low, high in ranges:
            self.add(low, high)

    def add(self, low: int, high: int | None = None) -> None:
        """Add a number, or all from `low` to `high`."""
        if high is None:
            if self._highs and low == self._highs[-1] + 1:  # what a count does most of the time
                self._highs[-1] = low
                return
            high = low
        # Everything that overlaps or touches low..high becomes one range with it.
        first = bisect_right(self._highs, low - 2)
        last = bisect_right(self._lows, high + 1)
        if first < last:
            low, high = min(low, self._lows[first]), max(high, self._highs[last - 1])
        self._lows[first:last] = [low]
        self._highs[first:last] = [high]
        if len(self._lows) > 2 * self._most:
            self._leave_out(first)

    def _leave_out(self, around: int) -> None:
        since = max(1, min(around - self._most // 2, len(self._lows) - self._most))
        for ends in (self._lows, self._highs):
            ends[:] = ends[:1] + ends[since : since + self._most]

    def __len__(self) -> int:
        return len(self._lows)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._lows, number) - 1
        return at >= 0 and number <= self._highs[at]

    @property
    def all(self) -> list[Range]:
        """Every range, ascending."""
        return list(zip(self._lows, self._highs, strict=True))

    @property
    def upto(self) -> int:
        """The last number of the unbroken range from 0; -1 when 0 is not there."""
        return self._highs[0] if self._lows and self._lows[0] == 0 else -1

    def beyond(self, about: Iterable[int], limit: int) -> list[Range]:
        """The ranges beyond `upto`, at most `limit`: first those `about` these numbers, then the
        latest. Ascending."""
        start = 1 if self.upto >= 0 else 0
        places = set(range(start, len(self._lows)))
        if len(places) > limit:
            asked = {bisect_right(self._lows, number) - 1 for number in about} & places
            rest = sorted(places - asked, reverse=True)
            places = set((sorted(asked, reverse=True) + rest)[:limit])
        return [(self._lows[at], self._highs[at]) for at in sorted(places)]
