"""The watch over the hub's own clock: somebody is told when it says a time that cannot be.

A machine without a battery begins in 1970, and doses, pages and certificates go by its clock. The
hub runs all the same: a call for help must land, whatever time it is.
"""

import asyncio
import time
from typing import Final

import structlog

from hub.technical import TechnicalAlarms
from hub.watch import Watch, WatchSettings
from runtime.clock import RELEASED, Clock

_LOG = structlog.get_logger()
ALARM: Final = "clock_wrong"
_TEXTS: Final = {
    "begin": (
        "The clock of the hub is wrong: it says a time before this program was released. Set it."
        " Calls for help are taken; times of doses and of readings cannot be trusted."
    ),
    "still": "The clock of the hub is still wrong. Set it.",
    "over": "The clock of the hub says a time that can be.",
}
RULES: Final = WatchSettings(every_s=10.0, away_after_s=0.0, repeat_every_s=3600.0)


def is_wrong(clock: Clock) -> bool:
    """Whether no clock can be right that says so."""
    return clock.now() < RELEASED


def tell_at_start(clock: Clock) -> None:
    """In the log of a process that begins."""
    if is_wrong(clock):
        _LOG.error("clock_wrong", clock=clock.now().isoformat(), released=RELEASED.isoformat())


async def watch_clock(clock: Clock, alarms: TechnicalAlarms, rules: WatchSettings = RULES) -> None:
    """Look again and again until cancelled, at once first; telling does not hold up the looking."""
    state = Watch(time.monotonic())
    async with asyncio.TaskGroup() as telling:
        while True:
            right = not is_wrong(clock)
            state, phase = state.looked(answers=right, now=time.monotonic(), rules=rules)
            if phase:
                telling.create_task(alarms.tell(ALARM, phase, _TEXTS[phase]))
            await asyncio.sleep(rules.every_s)
