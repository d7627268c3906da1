"""How often is too often? Token buckets for many senders, one number each. Pure: `now` is given.

A bucket holds `burst` tokens and gains `per_s` a second. It is kept as the instant at which it
will be full again, so a bucket that is full is the same as none: it can be forgotten without
changing any answer, and memory follows those who send much, not those who ever sent.
"""

from typing import Final, NamedTuple

_FORGET_EACH: Final = 4096
# Sums of seconds are not exact; a microsecond early is not early.
_ROUNDING: Final = 1e-6


class Rate(NamedTuple):
    """`per_s` a second on average, `burst` at once after a rest."""

    per_s: float
    burst: float


class Buckets:
    """The buckets of one rate by name. At most `limit` are remembered.

    With more senders than that, those nearest to a full bucket are taken for rested ones.
    """

    def __init__(self, rate: Rate, *, limit: int) -> None:
        self._rate = rate
        self._limit = limit
        self._one_s = 1 / rate.per_s
        self._whole_s = max(rate.burst, 1.0) / rate.per_s
        self._full_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, name: str, now: float, cost: float = 1.0) -> float:
        """Take `cost` tokens if they are there. 0: taken; else the seconds until they will be.

        What is not taken costs nothing. More than the bucket holds passes when it is full.
        """
        full_at = max(self._full_at.get(name, now), now)
        wait = full_at + (min(cost, self._rate.burst) - self._rate.burst) / self._rate.per_s - now
        if wait > _ROUNDING:
            return wait
        self._note(name, full_at + cost / self._rate.per_s, now)
        return 0.0

    def leisurely(self, name: str, now: float) -> bool:
        """Take one token if it is there, and say whether it was: `take`, in a hurry."""
        full_at = self._full_at.get(name, now)
        after = (full_at if full_at > now else now) + self._one_s
        if after - now - self._whole_s > _ROUNDING:
            return False
        self._note(name, after, now)
        return True

    def charge(self, name: str, now: float, cost: float = 1.0) -> float:
        """Take `cost` tokens, on credit if need be. 0: they were there; else the seconds after
        which the sender is even again. Nobody owes more than one burst."""
        full_at = max(self._full_at.get(name, now), now) + cost / self._rate.per_s
        whole = self._rate.burst / self._rate.per_s
        over = full_at - now - whole
        self._note(name, min(full_at, now + 2 * whole), now)
        return min(over, whole) if over > _ROUNDING else 0.0

    def _note(self, name: str, full_at: float, now: float) -> None:
        if len(self._full_at) >= self._limit and name not in self._full_at:
            self._forget(now)
        self._full_at[name] = full_at

    def _forget(self, now: float) -> None:
        """Make room: the full ones, and where there are none, the fullest."""
        self._full_at = {name: at for name, at in self._full_at.items() if at > now}
        if len(self._full_at) >= self._limit:
            order = sorted(self._full_at, key=self._full_at.__getitem__)
            for name in order[: max(1, min(_FORGET_EACH, self._limit // 8))]:
                del self._full_at[name]
