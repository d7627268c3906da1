"""How fast memory grows: a line through what was sampled, once a process has warmed up. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

_HOUR_S: Final = 3600.0
# The first part of a run fills caches, pools and the allocator.
_WARM_UP: Final = 0.3


class Sample(NamedTuple):
    """Bytes of resident memory at some second of a run."""

    at_s: float
    rss: int


class Growth(NamedTuple):
    """What the line says: `share_per_h` of the memory at its beginning, 0.01 is 1 % an hour;
    `rise` is the same over the `seconds` that were fitted."""

    seconds: float
    start_mb: float
    share_per_h: float

    @property
    def rise(self) -> float:
        """The share by which the memory grew while it was looked at."""
        return self.share_per_h * self.seconds / _HOUR_S


def growth(samples: Sequence[Sample], *, warm_up: float = _WARM_UP) -> Growth | None:
    """The line of least squares through all but the first share of the time; None: fewer than
    three samples are left, or all of one instant."""
    if not samples:
        return None
    first, last = samples[0].at_s, samples[-1].at_s
    kept = [one for one in samples if one.at_s >= first + warm_up * (last - first)]
    if len(kept) < 3 or kept[-1].at_s <= kept[0].at_s:
        return None
    middle_s = sum(one.at_s for one in kept) / len(kept)
    middle = sum(one.rss for one in kept) / len(kept)
    spread = sum((one.at_s - middle_s) ** 2 for one in kept)
    slope = sum((one.at_s - middle_s) * (one.rss - middle) for one in kept) / spread
    start = middle + slope * (kept[0].at_s - middle_s)
    share = slope * _HOUR_S / start if start > 0 else 0.0
    return Growth(kept[-1].at_s - kept[0].at_s, start / 1e6, share)
