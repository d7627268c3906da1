"""What the parts of a hub cost while it runs: memory and processor, read from /proc."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Reading(Struct, frozen=True):
    """One process now: resident bytes, and processor seconds since it began."""

    pid: int
    rss: int
    cpu_s: float


class Cost(Struct):
    """One part over a run; a part that was started again counts as one. MB are 10⁶ bytes."""

    pid: int = 0
    lives: int = 0
    rss_mb: float = 0.0
    rss_mb_most: float = 0.0
    cpu_s: float = 0.0
    _before: float = 0.0

    def note(self, reading: Reading) -> None:
        """Add what was read."""
        if reading.pid != self.pid:
            self.pid, self._before = reading.pid, 0.0
            self.lives += 1
        self.cpu_s += max(0.0, reading.cpu_s - self._before)
        self._before = reading.cpu_s
        self.rss_mb = reading.rss / 1e6
        self.rss_mb_most = max(self.rss_mb_most, self.rss_mb)

    def shown(self) -> dict[str, float]:
        """For a report."""
        return {
            "rss_mb": round(self.rss_mb, 1),
            "rss_mb_most": round(self.rss_mb_most, 1),
            "cpu_s": round(self.cpu_s, 2),
            "lives": self.lives,
        }


def look(pids: Sequence[int]) -> Reading | None:
    """A process and its children, the process first; None when it is gone.

    Of several processes the memory they share counts once.
    """
    rss, cpu_s = 0, 0.0
    for place, pid in enumerate(pids):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
            rss += _share(pid) if len(pids) > 1 else _resident(pid)
        except (OSError, IndexError, ValueError):
            if place == 0:
                return None
            continue
        fields = stat.rpartition(")")[2].split()
        # Of the first one also what its children cost that ended.
        cpu_s += sum(map(int, fields[11 : 15 if place == 0 else 13])) * _TICK_S
    return Reading(pids[0], rss, cpu_s) if pids else None


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text("utf-8").split()[1]) * _PAGE


def _share(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return _resident(pid)


class Sampler:
    """Costs by part."""

    def __init__(self) -> None:
        """Nothing was read yet."""
        self.costs: dict[str, Cost] = {}

    def sample(self, pids: Mapping[str, Sequence[int]]) -> None:
        """Read each part's processes; who is dead at the moment is left out."""
        for part, family in pids.items():
            reading = look(family)
            if reading is not None:
                self.costs.setdefault(part, Cost()).note(reading)
