"""Since when the machine runs: the one clock that nobody sets."""

import time


def uptime_ms() -> int:
    """Milliseconds since the machine started, sleep included; the same for every process."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
