"""Who still sends what a later version will not take: counted here, written once a minute.

Nobody waits for it and no batch is held up by it. What was counted since the last round is lost
with the process; whoever goes on sending is noted again.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog

from contract.errors import Defect
from ingest.entry import Entry, Outcome
from ingest.fault import fault
from ingest.rejects import product_of
from store import deprecation
from store.deprecation import Seen, Use
from store.failure import UnavailableError, UnstorableError
from store.line import Line
from store.reject_query import place_of

_LOG = structlog.get_logger()
_DEPRECATED: Final = "W1"
_USES: Final = 20_000
# Of a device's own words: together they are the key of a row.
_LONGEST: Final = 100
_LAST_WORD_S: Final = 2.0


class Deprecations:
    """Counts uses by node and product until they are written."""

    def __init__(self, line: Line, *, every_s: float) -> None:
        self._line = line
        self._every_s = every_s
        self._seen: dict[Use, Seen] = {}

    def note(self, outcomes: Iterable[Outcome]) -> None:
        """These were committed; what is only sent again counts once."""
        for outcome in outcomes:
            if not outcome.fresh:
                continue
            for reason in outcome.warnings:
                if reason.code.startswith(_DEPRECATED):
                    at = outcome.entry.arrival.received_at
                    seen = Seen(times=1, first_at=at, last_at=at)
                    self._count(_use(outcome.entry, reason), seen)

    async def run(self) -> None:
        """A round now and then, until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            await self.round()

    async def round(self) -> None:
        """Write what was counted. While the database is away it is kept for the next round; of a
        commit that nobody knows about the times may count twice."""
        counted, self._seen = self._seen, {}
        if not counted:
            return
        try:
            async with self._line.transaction() as conn:
                await deprecation.note(conn, counted.items())
        except UnavailableError:
            for use, seen in counted.items():
                self._count(use, seen)
        except UnstorableError as error:
            _LOG.error("deprecations_not_stored", **fault(error))

    async def finish(self) -> None:
        """The last round before the end; it does not wait for a database that is away."""
        try:
            async with asyncio.timeout(_LAST_WORD_S):
                await self.round()
        except TimeoutError:
            _LOG.info("deprecations_not_noted")

    def _count(self, use: Use, seen: Seen) -> None:
        before = self._seen.get(use)
        if before is not None:
            seen = Seen(
                times=before.times + seen.times,
                first_at=min(before.first_at, seen.first_at),
                last_at=max(before.last_at, seen.last_at),
            )
        elif len(self._seen) >= _USES:
            return
        self._seen[use] = seen


def _use(entry: Entry, reason: Defect) -> Use:
    product = product_of(entry, reason.path)
    return Use(
        node_id=entry.node or "",
        maker=_short(product.maker),
        model=_short(product.model),
        firmware=_short(product.firmware),
        code=reason.code,
        place=place_of(reason.path),
        detail=reason.msg,
    )


def _short(said: str | None) -> str | None:
    return said and said[:_LONGEST]
