"""The watch over the room of the database's server, which may be another machine than the hub's:
it answers, and yet stores nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from hub.technical import TechnicalAlarms
from hub.watch import Watch, WatchSettings
from runtime import metrics

ALARM: Final = "database_full"
_TEXTS: Final = {
    "begin": (
        "The server of the database has no room left. Nothing is stored; devices keep their data."
        " Make room there."
    ),
    "still": "The server of the database still has no room.",
    "over": "The server of the database has room again.",
}
RULES: Final = WatchSettings(every_s=10.0, away_after_s=10.0)


async def watch_room(
    has_room: Callable[[], Awaitable[bool | None]],
    alarms: TechnicalAlarms,
    rules: WatchSettings = RULES,
) -> None:
    """Look again and again until cancelled; telling does not hold up the looking. A database that
    does not answer (None) says nothing about its room."""
    state = Watch(time.monotonic())
    gauge = metrics.gauge("database_full", "1 while the server of the database has no room")
    async with asyncio.TaskGroup() as telling:
        while True:
            found = await has_room()
            if found is not None:
                gauge.set(not found)
                state, phase = state.looked(answers=found, now=time.monotonic(), rules=rules)
                if phase:
                    telling.create_task(alarms.tell(ALARM, phase, _TEXTS[phase]))
            await asyncio.sleep(rules.every_s)
