"""Forgetting what need not be kept, a little at a time: diagnostics beyond the latest of a node or
older than a month, deprecated uses older than 90 days, and whatever has its time in
store.retention. Old stretches of series become columns where TimescaleDB is there."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from ingest.entry import Outcome
from runtime.clock import Clock
from store import deprecation, node_diag, reject, retention
from store.failure import UnavailableError, UnstorableError
from store.line import Line
from store.retention import MANY, Kept

_LOG = structlog.get_logger()
_NODES: Final = 20_000
_OLD_EVERY: Final = timedelta(hours=1)

Step = Callable[[], Awaitable[None]]


class Tidy:
    """Knows which nodes have sent diagnostics since the last round."""

    def __init__(
        self, line: Line, *, clock: Clock, every_s: float, kept: Kept | None = None
    ) -> None:
        self._line = line
        self._kept = kept or Kept()
        self._clock = clock
        self._every_s = every_s
        self._nodes: set[str] = set()
        self._old_at = clock.now() - _OLD_EVERY

    def note(self, outcomes: Iterable[Outcome]) -> None:
        """These were committed."""
        for outcome in outcomes:
            diag = outcome.entry.diag
            if diag is not None and len(self._nodes) < _NODES:
                self._nodes.add(diag.node_id)

    async def run(self) -> None:
        """A round now and then, until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.round()
            except (UnavailableError, UnstorableError) as error:
                _LOG.warning("not_tidied", reason=str(error))

    async def round(self) -> None:
        """Forget what is due. One thing that cannot be forgotten keeps no other. Raises
        UnavailableError and UnstorableError, then it is tried again in the next round."""
        now = self._clock.now()
        steps: list[Step] = [self._forget_diagnostics]
        if now - self._old_at >= _OLD_EVERY:
            steps += self._old(now)
        troubles: list[UnavailableError | UnstorableError] = []
        for step in steps:
            try:
                await step()
            except (UnavailableError, UnstorableError) as error:
                troubles.append(error)
        if troubles:
            raise troubles[0]
        if len(steps) > 1:
            self._old_at = now

    async def _forget_diagnostics(self) -> None:
        nodes, self._nodes = self._nodes, set()
        while nodes and await self._prune_nodes(nodes):
            pass

    def _old(self, now: datetime) -> list[Step]:
        kept = self._kept
        return [
            partial(self._forget_deprecations, now),
            self._forget_old_diagnostics,
            *(
                partial(self._forget, what, now - timedelta(days=days))
                for what, days in (
                    ("rejects", kept.rejects),
                    ("messages", kept.messages),
                    ("waveforms", kept.waveforms),
                )
            ),
            self._forget_feed,
            partial(self._forget_blocks, now - timedelta(days=kept.blocks)),
            partial(self._make_columns, now),
        ]

    async def _forget_deprecations(self, now: datetime) -> None:
        async with self._line.transaction() as conn:
            await deprecation.prune(conn, before=now - timedelta(days=reject.KEPT_DAYS))

    async def _forget_old_diagnostics(self) -> None:
        while await self._prune_old():
            pass

    async def _forget(self, what: str, before: datetime) -> None:
        number = MANY
        while number == MANY:
            async with self._line.transaction() as conn:
                number = await retention.forget(conn, what, before=before)

    async def _forget_feed(self) -> None:
        number = MANY
        while number == MANY:
            async with self._line.transaction() as conn:
                number = await retention.forget_feed(conn)

    async def _forget_blocks(self, before: datetime) -> None:
        async with self._line.transaction() as conn:
            await retention.forget_blocks(conn, before=before)

    async def _make_columns(self, now: datetime) -> None:
        made: str | None = ""
        while made is not None:
            async with self._line.transaction() as conn:
                made = await retention.make_columns(conn, self._kept, now=now)

    async def _prune_nodes(self, nodes: set[str]) -> int:
        async with self._line.transaction() as conn:
            return await node_diag.prune_nodes(conn, nodes)

    async def _prune_old(self) -> int:
        async with self._line.transaction() as conn:
            return await node_diag.prune_old(conn, now=self._clock.now())
