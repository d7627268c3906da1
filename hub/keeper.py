"""Keeps the parts of the hub running: starts them again, notes their pids, is loud in time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from hub.home import Home
from hub.parts import Part
from hub.restart import Deaths
from runtime import metrics
from runtime.account import CannotRunServerError

if TYPE_CHECKING:
    from prometheus_client import Counter

_LOG = structlog.get_logger()
_LOOK_EVERY_S = 0.1

KeepsDying = Callable[[str, bool], Awaitable[None]]


class Keeper:
    """Watches over parts that were started once. `suspend` leaves one dead on purpose."""

    def __init__(self, home: Home, keeps_dying: KeepsDying) -> None:
        """`keeps_dying(name, begins)` is told when a part dies again and again, and when not."""
        self._home = home
        self._keeps_dying = keeps_dying
        self._suspended: set[str] = set()
        self.parts: dict[str, Part] = {}

    async def start(self, part: Part) -> None:
        """Start a part for the first time. Raises CannotRunServerError."""
        self.parts[part.name] = part
        _watch(part)
        await part.start()
        self._home.note_pid(part.name, part.pid)

    async def stop(self, *names: str) -> None:
        """Stop these parts, side by side."""
        parts = [self.parts[name] for name in names if name in self.parts]
        await asyncio.gather(*(part.stop() for part in parts))
        for part in parts:
            self._home.note_pid(part.name, None)

    async def suspend(self, name: str) -> None:
        """Stop a part and leave it so; for demonstrations and drills."""
        self._suspended.add(name)
        await self.stop(name)

    async def resume(self, name: str) -> None:
        """Start a suspended part again."""
        await self.start(self.parts[name])
        self._suspended.discard(name)

    async def keep(self, name: str) -> None:
        """Start the part again whenever it died, until cancelled."""
        part, deaths, born = self.parts[name], Deaths(), time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if part.pid is None and name not in self._suspended:
                deaths = await self._mourn(part, deaths, time.monotonic() - born)
                await self._again(part)
                born = time.monotonic()
            elif deaths.loud and time.monotonic() - born > 60.0:
                deaths = Deaths()
                await self._keeps_dying(name, False)

    async def _mourn(self, part: Part, deaths: Deaths, lived_s: float) -> Deaths:
        now = deaths.died(time.monotonic(), lived_s)
        _deaths().labels(part.name).inc()
        code, lived = part.ended_with, round(lived_s, 1)
        _LOG.warning("part_died", part=part.name, code=code, lived_s=lived, again_in_s=now.wait_s)
        if now.loud and not deaths.loud:
            _LOG.error("part_keeps_dying", part=part.name, log=f"log/{part.name}.log")
            await self._keeps_dying(part.name, True)
        await asyncio.sleep(now.wait_s)
        return now

    async def _again(self, part: Part) -> None:
        try:
            await part.start()
            self._home.note_pid(part.name, part.pid)
        except (CannotRunServerError, OSError) as error:
            _LOG.error("part_does_not_start", part=part.name, reason=str(error))
            return
        _LOG.info("part_started_again", part=part.name, pid=part.pid)


def _watch(part: Part) -> None:
    up = metrics.gauge("hub_part_up", "1 while a server or room of the hub runs", ("part",))
    up.labels(part.name).set_function(lambda: float(part.pid is not None))
    _deaths().labels(part.name)  # begins with 0


def _deaths() -> "Counter":
    return metrics.counter("hub_part_deaths_total", "Parts that ended by themselves", ("part",))
