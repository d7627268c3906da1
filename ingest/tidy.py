"""Forgetting what need not be kept, a little at a time: diagnostics beyond the latest of a node or
older than a month, deprecated uses older than 90 days, and whatever has its time in
store.retention. Old stretches of series become columns where TimescaleDB is there."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import structlog

from ingest.entry import Outcome
from runtime.clock import Clock
from store import deprecation, node_diag, reject, retention
from store.failure import UnavailableError
from store.line import Line
from store.retention import MANY, Kept

_LOG = structlog.get_logger()
_NODES: Final = 20_000
_OLD_EVERY: Final = timedelta(hours=1)


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
            except UnavailableError:
                _LOG.warning("not_tidied", reason="the database is away")

    async def round(self) -> None:
        """Forget what is due. Raises UnavailableError."""
        nodes, self._nodes = self._nodes, set()
        while nodes and await self._prune_nodes(nodes):
            pass
        now = self._clock.now()
        if now - self._old_at >= _OLD_EVERY:
            await self._forget_old(now)
            self._old_at = now

    async def _forget_old(self, now: datetime) -> None:
        kept = self._kept
        async with self._line.transaction() as conn:
            await deprecation.prune(conn, before=now - timedelta(days=reject.KEPT_DAYS))
        while await self._prune_old():
            pass
        for what, days in (
            ("rejects", kept.rejects),
            ("messages", kept.messages),
            ("waveforms", kept.waveforms),
        ):
            while await self._forget(what, now - timedelta(days=days)) == MANY:
                pass
        async with self._line.transaction() as conn:
            await retention.forget_feed(conn)
        async with self._line.transaction() as conn:
            await retention.forget_blocks(conn, before=now - timedelta(days=kept.blocks))
        while await self._make_columns(now):
            pass

    async def _forget(self, what: str, before: datetime) -> int:
        async with self._line.transaction() as conn:
            return await retention.forget(conn, what, before=before)

    async def _make_columns(self, now: datetime) -> str | None:
        async with self._line.transaction() as conn:
            return await retention.make_columns(conn, self._kept, now=now)

    async def _prune_nodes(self, nodes: set[str]) -> int:
        async with self._line.transaction() as conn:
            return await node_diag.prune_nodes(conn, nodes)

    async def _prune_old(self) -> int:
        async with self._line.transaction() as conn:
            return await node_diag.prune_old(conn, now=self._clock.now())
