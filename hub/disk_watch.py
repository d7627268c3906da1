"""The watch over the disk: somebody is told before it is full, when it is, and when it is not.

A full disk stops the database and loses nothing: ingest acknowledges nothing it cannot store. When
there is room again everything goes on by itself; but somebody has to make room.
"""

import asyncio
import shutil
from pathlib import Path
from typing import Final, Literal

import structlog
from msgspec import Struct

from hub.technical import TechnicalAlarms
from runtime import metrics

_LOG = structlog.get_logger()
Level = Literal["enough", "low", "full"]
_TEXTS: Final = {
    ("disk_low", "begin"): "The disk of the hub is nearly full. Make room.",
    ("disk_low", "over"): "The disk of the hub has room again.",
    ("disk_full", "begin"): (
        "The disk of the hub is full. Nothing is stored; devices keep their data. Make room."
    ),
    ("disk_full", "over"): "The disk of the hub is not full any more.",
}
_ORDER: Final[tuple[Level, ...]] = ("enough", "low", "full")


class DiskRules(Struct, frozen=True, kw_only=True):
    """How often to look, and what is too little: a share of the disk, and no more than so much.

    PostgreSQL needs 16 MiB for the next piece of its log, and some more to recover.
    """

    every_s: float = 5.0
    full_bytes: int = 32 * 1024**2
    low_share: float = 0.05
    low_bytes_most: int = 5 * 1024**3
    # What is over is over when there is so much more than the limit.
    over_factor: float = 1.25

    def level(self, free: int, size: int, *, now: Level) -> Level:
        """What so many free bytes of a disk of this size are, after it was `now`. Pure."""
        low = min(self.low_bytes_most, int(size * self.low_share))
        limits: tuple[tuple[Level, int], ...] = (
            ("full", self.full_bytes),
            ("low", max(low, self.full_bytes)),
        )
        for level, limit in limits:
            was = _ORDER.index(now) >= _ORDER.index(level)
            if free < limit * (self.over_factor if was else 1.0):
                return level
        return "enough"


def news(was: Level, now: Level) -> list[tuple[str, str]]:
    """What there is to tell when the level changes: alarm and phase, in order. Pure."""
    before, after = _ORDER.index(was), _ORDER.index(now)
    begun = [(f"disk_{name}", "begin") for name in _ORDER[before + 1 : after + 1]]
    ended = [(f"disk_{name}", "over") for name in reversed(_ORDER[after + 1 : before + 1])]
    return begun + ended


async def watch_disk(place: Path, alarms: TechnicalAlarms, rules: DiskRules) -> None:
    """Look again and again until cancelled; telling does not hold up the looking."""
    level: Level = "enough"
    free_bytes = metrics.gauge("disk_free_bytes", "Room on the disk of the hub's directory")
    full = metrics.gauge("disk_full", "1 while the disk of the hub's directory is full")
    async with asyncio.TaskGroup() as telling:
        while True:
            usage = shutil.disk_usage(place)
            now = rules.level(usage.free, usage.total, now=level)
            free_bytes.set(usage.free)
            full.set(now == "full")
            for alarm, phase in news(level, now):
                telling.create_task(alarms.tell(alarm, phase, _TEXTS[alarm, phase]))
            level = now
            await asyncio.sleep(rules.every_s)


async def serve_metrics(port: int) -> None:
    """Answer /metrics of the hub itself until cancelled; without, when the port is taken."""
    try:
        async with metrics.served(port):
            await asyncio.Event().wait()
    except OSError as error:
        _LOG.warning("hub_metrics_not_served", port=port, reason=error.strerror)
