"""The rhythm of a room's work: a room that hangs is seen, also when nothing has failed."""

from collections.abc import Callable
from typing import Final

from runtime.metrics import Readiness

# A turn under load takes a second or two; a database that is frozen never ends one.
STILL_S: Final = 15.0


class Pulse:
    """When a room last finished a turn. `monotonic` is in seconds."""

    def __init__(self, monotonic: Callable[[], float], *, still_s: float = STILL_S) -> None:
        self._monotonic = monotonic
        self._still_s = still_s
        self._last: float | None = None

    def beat(self) -> None:
        """A turn was finished."""
        self._last = self._monotonic()

    def readiness(self) -> Readiness:
        """Ready while turns are finished; what hangs or has not begun names its database."""
        if self._last is None:
            return Readiness(False, "none", {"database": "no turn finished yet"})
        silent_s = self._monotonic() - self._last
        if silent_s > self._still_s:
            return Readiness(
                False, "active", {"database": f"no turn finished for {silent_s:.0f} s"}
            )
        return Readiness()
