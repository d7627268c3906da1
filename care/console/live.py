"""News from the database: one listener a process, fanned out to any number of open pages.

A page keeps the last version it has seen and waits for a higher one. There is no queue a page
could let grow: however much happens while a page is busy, it finds one newer version. NOTIFY
only wakes; while nobody listens, pages look by themselves every POLL_S.
"""

import asyncio
from collections import Counter
from collections.abc import Collection
from typing import Final

import structlog
from psycopg import Error

from store.pool import listening

log = structlog.get_logger()

CHANNEL: Final = "console"
TOPICS: Final = frozenset(
    {"episode", "dose", "plan", "batch", "reject", "claim", "node_config", "deprecated_use", "gap"}
)
# A burst of changes is one change: pages hear of it at most this often.
QUIET_S: Final = 0.2
# How long a page waits without news: while listening it is only the clock that moves on.
TICK_S: Final = 20.0
POLL_S: Final = 2.0
_RETRY_S: Final = 1.0


class Live:
    """What changed, counted by topic (the table's name)."""

    def __init__(self, database_url: str) -> None:
        self.listening = False
        self._database_url = database_url
        self._versions: Counter[str] = Counter()
        self._changed = asyncio.Event()

    def version(self, topics: Collection[str]) -> int:
        """A number that grows whenever one of these topics changes."""
        return sum(self._versions[topic] for topic in topics)

    def note(self, topics: Collection[str]) -> None:
        """Something changed: wake every page that waits."""
        self._versions.update(topics)
        self._changed.set()
        self._changed = asyncio.Event()

    async def news(self, topics: Collection[str], seen: int) -> int:
        """Wait until these topics are beyond `seen`, at most one tick; returns the version."""
        try:
            async with asyncio.timeout(TICK_S if self.listening else POLL_S):
                while self.version(topics) == seen:
                    await self._changed.wait()
        except TimeoutError:
            return self.version(topics)
        return self.version(topics)

    async def run(self) -> None:
        """Listen until cancelled; a lost database is tried again for ever."""
        while True:
            try:
                await self._listen()
            except (Error, OSError) as problem:
                log.warning("console does not hear of changes", problem=type(problem).__name__)
            finally:
                self.listening = False
            await asyncio.sleep(_RETRY_S)

    async def _listen(self) -> None:
        async with listening(self._database_url, CHANNEL) as conn:
            self.listening = True
            self.note(TOPICS)  # whatever happened while nobody listened
            while True:
                heard = {n.payload async for n in conn.notifies(timeout=TICK_S, stop_after=1)}
                heard |= {n.payload async for n in conn.notifies(timeout=QUIET_S)}
                if heard & TOPICS:
                    self.note(heard & TOPICS)
