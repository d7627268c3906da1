"""Keeping the aggregates of charts true: what the feed says has changed, computed anew."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from runtime.clock import Clock
from store import aggregate
from store.failure import UnavailableError
from store.line import Line
from store.pool import Connection

_LOG = structlog.get_logger()


class Aggregates:
    """One at a time is enough: whoever finds the feed read does nothing."""

    def __init__(self, line: Line, *, clock: Clock, every_s: float, blocks_days: int) -> None:
        self._line = line
        self._clock = clock
        self._every_s = every_s
        self._kept = timedelta(days=blocks_days)

    async def run(self) -> None:
        """A round now and then, until cancelled."""
        while True:
            try:
                await self.round()
            except UnavailableError:
                _LOG.warning("not_aggregated", reason="the database is away")
            await asyncio.sleep(self._every_s)

    async def round(self) -> None:
        """Everything that is due. Raises UnavailableError."""
        async with self._line.transaction() as conn:
            await aggregate.begin(conn)
        await self._all(aggregate.advance)
        await self._all(self._hours)
        await self._all(aggregate.refresh_days)
        while await self._once(aggregate.advance_again):
            await self._all(self._hours)
            await self._all(aggregate.refresh_days)

    async def _hours(self, conn: Connection) -> int:
        return await aggregate.refresh_hours(conn, kept_since=self._clock.now() - self._kept)

    async def _all(self, step: Callable[[Connection], Awaitable[int]]) -> None:
        # Each a short transaction: messages go first.
        while await self._once(step):
            pass

    async def _once(self, step: Callable[[Connection], Awaitable[int]]) -> int:
        async with self._line.transaction() as conn:
            return await step(conn)
