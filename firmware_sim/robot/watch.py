"""The robot's own clock: right, wrong by so much, or none; set by the hub's answer."""

import time
from typing import Any, Final

_LONGEST_TRIP_MS: Final = 2_000
_STEP_MS: Final = 1_000
_MILLI: Final = 1_000_000


class Watch:
    """`millis` is what it shows, None where nothing ever set it; `uptime` counts from power-on."""

    def __init__(self, source: str, *, skew_ms: int = 0) -> None:
        self.source = source
        self._skew_ms = skew_ms
        self._started = time.monotonic_ns()

    def millis(self) -> int | None:
        """The time it shows, ms since 1970."""
        return None if self.source == "none" else self.machine_millis()

    def machine_millis(self) -> int:
        """What its counter says, set or not; a time request needs only this."""
        return time.time_ns() // _MILLI + self._skew_ms

    def uptime(self) -> int:
        """Milliseconds since power-on."""
        return (time.monotonic_ns() - self._started) // _MILLI

    def envelope(self) -> dict[str, Any]:
        """`t`, `clk` and, where the hub needs it to work the time out, `up`."""
        shown = self.millis()
        said: dict[str, Any] = (
            {"clk": self.source}
            if shown is None
            else {
                "t": shown,
                "clk": self.source,
            }
        )
        return said | ({"up": self.uptime()} if self.source in ("none", "manual") else {})

    def learn(self, t1: int, t2: int, t3: int) -> int | None:
        """Take the hub's answer; the jump in ms where there was one. A slow answer is dropped."""
        t4 = self.machine_millis()
        if (t4 - t1) - (t3 - t2) > _LONGEST_TRIP_MS:
            return None
        offset = round(((t2 - t1) + (t3 - t4)) / 2)
        had_time, self.source = self.source != "none", "hub"
        self._skew_ms += offset
        return offset if had_time and abs(offset) > _STEP_MS else None
