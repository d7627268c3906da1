"""What a fleet counted, and how long receipts took."""

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from msgspec import Struct, field

# Upper bounds in ms, 2 % apart: a percentile is wrong by no more than that.
_BOUNDS: Sequence[float] = tuple(accumulate([1.0] * 640, lambda bound, _: bound * 1.02))


class Summary(Struct, kw_only=True):
    """A run in numbers. Messages are counted once, however often they were sent; `again` counts
    further sendings, copies included. Times in ms; None while there was none."""

    nodes: int = 0
    connected: int = 0
    connects: int = 0
    made: int = 0
    sent: int = 0
    again: int = 0
    acked: int = 0
    receipted: int = 0
    refused: int = 0
    throttled: int = 0
    receipted_unsent: int = 0  # receipts for what never left: the hub is wrong
    open: int = 0  # sent and not settled
    held: int = 0  # made and not sent yet
    seconds: float = 0.0  # this and the next three: since measuring began
    cpu_s: float = 0.0
    sends_per_s: float = 0.0  # sendings, copies included
    cpu_us_per_send: float = 0.0
    receipt_p50_ms: float | None = None
    receipt_p99_ms: float | None = None
    trouble: dict[str, int] = field(default_factory=dict)  # why connections ended


class Latencies:
    """A histogram of durations with a fixed size."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._total = 0

    def add(self, ms: float, count: int = 1) -> None:
        """Count a duration."""
        low, high = 0, len(_BOUNDS) - 1
        while low < high:
            middle = (low + high) // 2
            if _BOUNDS[middle] < ms:
                low = middle + 1
            else:
                high = middle
        self._counts[low] += count
        self._total += count

    def quantile(self, share: float) -> float | None:
        """The duration that this share of all does not exceed, to 2 %; None without any."""
        seen = 0
        for place in sorted(self._counts):
            seen += self._counts[place]
            if seen >= share * self._total:
                return round(_BOUNDS[place], 1)
        return None
