"""The watch over the database: when it is away, somebody is told by a way that needs none."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

from hub.technical import TechnicalAlarms

ALARM = "database_away"
_TEXTS = {
    "begin": "The database does not answer. Devices keep their data; nobody is being paged.",
    "still": "The database still does not answer.",
    "over": "The database answers again.",
}


class WatchSettings(Struct, frozen=True, kw_only=True):
    """All in seconds: how often to look, from when it is an alarm, how often to repeat it."""

    every_s: float = 2.0
    away_after_s: float = 10.0
    repeat_every_s: float = 600.0


class Watch(Struct, frozen=True):
    """What the watch knows: when the database last answered, when it last told. Pure."""

    answered_at: float
    told_at: float = -math.inf
    away: bool = False

    def looked(self, *, answers: bool, now: float, rules: WatchSettings) -> tuple["Watch", str]:
        """The next state, and what to tell: begin, still, over or nothing."""
        if answers:
            return Watch(now), "over" if self.away else ""
        if not self.away and now - self.answered_at >= rules.away_after_s:
            return Watch(self.answered_at, now, True), "begin"
        if self.away and now - self.told_at >= rules.repeat_every_s:
            return Watch(self.answered_at, now, True), "still"
        return self, ""


async def watch_database(
    answers: Callable[[], Awaitable[bool]], alarms: TechnicalAlarms, rules: WatchSettings
) -> None:
    """Look again and again until cancelled; telling does not hold up the looking."""
    state = Watch(time.monotonic())
    async with asyncio.TaskGroup() as telling:
        while True:
            found = await answers()
            state, phase = state.looked(answers=found, now=time.monotonic(), rules=rules)
            if phase:
                telling.create_task(alarms.tell(ALARM, phase, _TEXTS[phase]))
            await asyncio.sleep(rules.every_s)
