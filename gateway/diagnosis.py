"""How the gateway itself does, told on `diag` every few minutes: metrics and warnings, lossy."""

import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from contract.instants import to_millis
from contract.messages import Diag, LogLine
from gateway.recent_log import RecentLog
from gateway.spool import Spool
from gateway.timekeeper import Timekeeper
from gateway.uptime import uptime_ms

_ZONES: Final = Path("/sys/class/thermal")
_MOST_LINES: Final = 50


class Diagnosis:
    """What `diag` says. `links` gives the state of each sub-device, `counts` what else counts."""

    def __init__(
        self,
        spool: Spool,
        timekeeper: Timekeeper,
        log: RecentLog,
        *,
        state: Path,
        links: Callable[[], Mapping[str, str]],
        counts: Callable[[], Mapping[str, int]],
    ) -> None:
        self._spool = spool
        self._time = timekeeper
        self._log = log
        self._state = state
        self._links = links
        self._counts = counts
        self._started = time.monotonic()

    def report(self) -> Diag:
        """The metrics now, and the warnings since the last report."""
        return self._diag(self.metrics(), self._log.warnings()[-_MOST_LINES:])

    def lines(self, count: int) -> list[Diag]:
        """The last lines of the log, in messages of a fair size."""
        lines = self._log.last(count)
        parts = [lines[at : at + _MOST_LINES] for at in range(0, len(lines), _MOST_LINES)]
        return [self._diag({}, part) for part in parts]

    def _diag(self, metrics: dict[str, float | None], lines: list[LogLine]) -> Diag:
        known = self._time.known
        return Diag(
            v=0,
            boot=self._spool.boot,
            t=to_millis(self._time.now()) if known else None,
            m=metrics,
            log=lines,
        )

    def metrics(self) -> dict[str, float | None]:
        """Numbers only: s, MB, degrees Celsius, counts; a link is 1 when it is ready."""
        error_ms = self._time.error_ms
        found: dict[str, float | None] = {
            "spool": self._spool.depth(),
            "dropped": self._spool.dropped,
            "up_s": uptime_ms() // 1000,
            "run_s": round(time.monotonic() - self._started),
            "rss_mb": round(resident_mb(), 1),
            "disk_free_mb": shutil.disk_usage(self._state).free // 1_000_000,
            "clock_error_ms": error_ms,
            "temp_c": temperature(),
        }
        links = {f"link_{name}": int(state == "ready") for name, state in self._links().items()}
        numbers = {**found, **links, **self._counts()}
        return {name: value for name, value in numbers.items() if value is not None}


def resident_mb() -> float:
    """Resident memory of this process, in megabytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1_000_000


def temperature(zones: Path = _ZONES) -> float | None:
    """The hottest sensor of the board in degrees Celsius; None where there is none."""
    readings = []
    for sensor in zones.glob("thermal_zone*/temp"):
        try:
            readings.append(int(sensor.read_text(encoding="ascii")) / 1000)
        except (OSError, ValueError):
            continue  # some sensors answer only now and then
    return max(readings, default=None)
