"""Forgetting what need not be kept, a little at a time: diagnostics beyond the latest of a node or
older than a month, deprecated uses older than 90 days, and whatever has its time in
store.retention. Old stretches of series become columns where TimescaleDB is there.

What is old goes by a durable horizon, which a clock that jumps does not take along."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from ingest.entry import Outcome
from ingest.horizon import Told, advance, begin
from runtime import metrics
from runtime.clock import Clock
from store import deprecation, horizon, node_diag, reject, retention
from store.failure import UnavailableError, UnstorableError
from store.line import Line
from store.retention import MANY, Kept

_LOG = structlog.get_logger()
_NODES: Final = 20_000
_OLD_EVERY_S: Final = 3600.0

Step = Callable[[], Awaitable[None]]


class Tidy:
    """Knows which nodes have sent diagnostics since the last round."""

    def __init__(
        self,
        line: Line,
        *,
        clock: Clock,
        every_s: float,
        kept: Kept | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._line = line
        self._kept = kept or Kept()
        self._clock = clock
        self._every_s = every_s
        self._nodes: set[str] = set()
        self._monotonic = monotonic
        self._moved_at = monotonic()
        self._old_at = self._moved_at - _OLD_EVERY_S
        self._told: Told = ""
        self._lag = metrics.gauge(
            "retention_lag_seconds", "How far what is forgotten by is behind the clock"
        )

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
        at = self._monotonic()
        due = at - self._old_at >= _OLD_EVERY_S
        now = await self._move_horizon(again=due)
        steps: list[Step] = [self._forget_diagnostics]
        if due:
            steps += self._old(now)
        troubles: list[UnavailableError | UnstorableError] = []
        for step in steps:
            try:
                await step()
            except (UnavailableError, UnstorableError) as error:
                troubles.append(error)
        if troubles:
            raise troubles[0]
        if due:
            self._old_at = at

    async def _move_horizon(self, *, again: bool) -> datetime:
        """What forgetting takes for now. That it is far from the clock is told, and `again`."""
        clock, at = self._clock.now(), self._monotonic()
        passed_s, pace = at - self._moved_at, self._kept.days_an_hour
        async with self._line.transaction() as conn:
            before = await horizon.reached(conn, otherwise=begin(clock))
            after = advance(before, clock, passed_s=passed_s, days_an_hour=pace)
            await horizon.move(conn, after.reached)
        self._moved_at = at
        self._lag.set((clock - after.reached).total_seconds())
        if after.told and (again or after.told != self._told):
            reached = after.reached.isoformat()
            _LOG.warning(
                "retention_horizon", where=after.told, reached=reached, clock=clock.isoformat()
            )
        self._told = after.told
        return after.now

    async def _forget_diagnostics(self) -> None:
        nodes, self._nodes = self._nodes, set()
        while nodes and await self._prune_nodes(nodes):
            pass

    def _old(self, now: datetime) -> list[Step]:
        kept = self._kept
        return [
            partial(self._forget_deprecations, now),
            partial(self._forget_old_diagnostics, now),
            *(
                partial(self._forget, what, now - timedelta(days=days))
                for what, days in (
                    ("rejects", kept.rejects),
                    ("messages", kept.messages),
                    ("waveforms", kept.waveforms),
                )
            ),
            partial(self._forget_feed, now),
            partial(self._forget_blocks, now - timedelta(days=kept.blocks)),
            partial(self._make_columns, now),
        ]

    async def _forget_deprecations(self, now: datetime) -> None:
        async with self._line.transaction() as conn:
            await deprecation.prune(conn, before=now - timedelta(days=reject.KEPT_DAYS))

    async def _forget_old_diagnostics(self, now: datetime) -> None:
        while await self._prune_old(now):
            pass

    async def _forget(self, what: str, before: datetime) -> None:
        number = MANY
        while number == MANY:
            async with self._line.transaction() as conn:
                number = await retention.forget(conn, what, before=before)

    async def _forget_feed(self, now: datetime) -> None:
        number = MANY
        while number == MANY:
            async with self._line.transaction() as conn:
                number = await retention.forget_feed(conn, now=now)

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

    async def _prune_old(self, now: datetime) -> int:
        async with self._line.transaction() as conn:
            return await node_diag.prune_old(conn, now=now)
