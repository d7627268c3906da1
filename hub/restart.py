"""When to start a process again that died, and when to be loud about it. Pure."""

from msgspec import Struct

_FIRST_S = 0.2
_SLOWEST_S = 15.0
_WINDOW_S = 60.0
_LOUD_AFTER = 5


class Deaths(Struct, frozen=True):
    """How a process has been dying lately; times are seconds of any steady clock."""

    recent: tuple[float, ...] = ()
    short_lives: int = 0
    loud: bool = False

    def died(self, at: float, lived_s: float) -> "Deaths":
        """One more death: a life of a minute or more starts the count anew."""
        short = 1 if lived_s >= _WINDOW_S else self.short_lives + 1
        recent = (*(t for t in self.recent if at - t < _WINDOW_S), at)
        loud = len(recent) >= _LOUD_AFTER or (self.loud and short > 1)
        return Deaths(recent, short, loud)

    @property
    def wait_s(self) -> float:
        """Seconds to wait before the next start: short at first, then slower, without end."""
        return min(_SLOWEST_S, _FIRST_S * 2.0 ** min(self.short_lives - 1, 10))
