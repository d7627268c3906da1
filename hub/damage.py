"""The watch over the database's pages: somebody is told when one failed its checksum.

A damaged page is never believed: PostgreSQL refuses to read it, and the rest goes on. What to do is
in docs/operations/damage.md. Nothing here says that the damage is over: the count is lost whenever
the server crashes, and the page is as broken as before.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from hub.technical import TechnicalAlarms
from runtime import metrics
from store.health import Pages

DAMAGED: Final = "database_damaged"
UNCHECKED: Final = "database_unchecked"
_TEXTS: Final = {
    (DAMAGED, "begin"): (
        "A page of the database failed its checksum and is not read. The disk may be failing: look"
        " at log/postgres.log for which one, and at docs/operations/damage.md for what to do."
    ),
    (DAMAGED, "still"): "A page of the database failed its checksum since the hub was started.",
    (UNCHECKED, "begin"): (
        "The database keeps no checksums of its pages: a damaged value would be believed."
        " docs/operations/damage.md says how to turn them on."
    ),
}
_EVERY_S: Final = 5.0
_REPEAT_S: Final = 86_400.0


class Damage(Struct, frozen=True):
    """What the watch knows: failures counted so far, when it last told, what it has told. Pure."""

    failures: int = 0
    told_at: float = -math.inf
    known: bool = False
    unchecked: bool = False

    def looked(self, pages: Pages, now: float) -> tuple["Damage", list[tuple[str, str]]]:
        """The next state, and what to tell: alarm and phase."""
        told: list[tuple[str, str]] = []
        grown = pages.failures > self.failures
        if not pages.checked and not self.unchecked:
            told.append((UNCHECKED, "begin"))
        if grown and not self.known:
            told.append((DAMAGED, "begin"))
        elif self.known and now - self.told_at >= _REPEAT_S:
            told.append((DAMAGED, "still"))
        tells = any(alarm == DAMAGED for alarm, _ in told)
        after = Damage(
            pages.failures,
            now if tells else self.told_at,
            self.known or grown,
            self.unchecked or not pages.checked,
        )
        return after, told


async def watch_pages(
    look: Callable[[], Awaitable[Pages | None]], alarms: TechnicalAlarms, every_s: float = _EVERY_S
) -> None:
    """Look again and again until cancelled; a database that does not answer is another's alarm."""
    state = Damage()
    checked = metrics.gauge("database_checksums", "1 where pages have checksums")
    failures = metrics.gauge("database_page_failures", "Pages that failed their checksum")
    async with asyncio.TaskGroup() as telling:
        while True:
            pages = await look()
            if pages is not None:
                checked.set(pages.checked)
                failures.set(pages.failures)
                state, told = state.looked(pages, time.monotonic())
                for alarm, phase in told:
                    telling.create_task(alarms.tell(alarm, phase, _TEXTS[alarm, phase]))
            await asyncio.sleep(every_s)
