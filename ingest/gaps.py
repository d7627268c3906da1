"""Finding gaps, beside the stages: nobody waits for it, and a message costs it one look into a set.

A boot that something came of is looked at a little later, and again when a hole in it may have
become a gap. Which boots these are is in memory only; how far each was looked at is in the
database, and after a start everything is swept through once. So a kill costs time, never a gap.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from msgspec import Struct, structs

from ingest.entry import Outcome
from ingest.fault import fault
from ingest.gap_finding import Look, look
from runtime import metrics
from runtime.clock import Clock
from store import gap
from store.failure import UnavailableError, UnstorableError
from store.gap import Count, Top
from store.line import Line
from store.message import Boot
from store.pool import Connection

_LOG = structlog.get_logger()
_PAGE: Final = 200
_A_ROUND: Final = 2_000
_SWEPT: Final = 1_000
_BOOTS: Final = 200_000
_BEGINNING: Final = Boot("", -1)
_SWEEP_EVERY_S: Final = 86_400.0
_COUNT_EVERY_S: Final = 30.0
# Of a count without holes it is written how far it was looked at only now and then.
_WRITTEN_EVERY: Final = 256


class Pace(Struct, frozen=True, kw_only=True):
    """In seconds: between rounds, until what came is looked at, and until a hole is a gap."""

    every_s: float
    after_s: float
    quiet_s: float


class Gaps:
    """Knows which boots something came of, and when to look at each."""

    def __init__(
        self,
        line: Line,
        pace: Pace,
        *,
        clock: Clock,
        monotonic: Callable[[], float],
        catching_up: Callable[[], bool],
    ) -> None:
        """While `catching_up` messages still wait at the broker: nothing is missing yet."""
        self._line = line
        self._pace = pace
        self._quiet = timedelta(seconds=pace.quiet_s)
        self._clock = clock
        self._monotonic = monotonic
        self._catching_up = catching_up
        self._due: dict[tuple[str, int], float] = {}
        self._open: set[Boot] = set()
        self._anew: set[tuple[str, int]] = set()
        self._swept_to: Boot | None = _BEGINNING
        self._sweep_at = self._count_at = monotonic()

    def note(self, outcomes: Iterable[Outcome]) -> None:
        """These were committed."""
        due = self._due
        for outcome in outcomes:
            key = outcome.entry.key
            if key is None:
                continue
            boot = key[:2]
            if boot not in due:
                self._hear(boot)
            if outcome.recounts:
                self._anew.add(boot)

    def note_boots(self, boots: Iterable[tuple[str, int]]) -> None:
        """Messages of these boots were committed; nothing of them was counted anew."""
        for boot in boots:
            if boot not in self._due:
                self._hear(boot)

    def _hear(self, boot: tuple[str, int]) -> None:
        if len(self._due) < _BOOTS:  # whoever is left out is found by the next sweep
            wait = self._pace.every_s if boot in self._open else self._pace.after_s
            self._due[boot] = self._monotonic() + wait

    async def run(self) -> None:
        """A round now and then, until cancelled."""
        while True:
            await asyncio.sleep(self._pace.every_s)
            if self._catching_up():
                continue
            try:
                await self.round()
            except UnavailableError:
                # No trouble of the hub: it takes and keeps everything all the same.
                _LOG.warning("gaps_not_looked_for", reason="the database is away")
            except UnstorableError as error:
                _LOG.error("gaps_not_stored", **fault(error))

    async def round(self) -> None:
        """Look at what is due. Raises UnavailableError; then it is looked at in the next round."""
        await self._sweep()
        now = self._monotonic()
        due = [Boot(*boot) for boot, at in self._due.items() if at <= now][:_A_ROUND]
        for first in range(0, len(due), _PAGE):
            await self._look_at(due[first : first + _PAGE])
        if now >= self._count_at:
            self._count_at = now + _COUNT_EVERY_S
            async with self._line.transaction() as conn:
                number = await gap.open_gaps(conn)
            metrics.gauge("gaps_open", "Gaps that may still be closed").set(number)

    async def _sweep(self) -> None:
        """Go on through all counts there are, or begin again once a day."""
        now = self._monotonic()
        if self._swept_to is None and now >= self._sweep_at:
            self._swept_to = _BEGINNING
        if self._swept_to is None or len(self._due) >= _BOOTS:
            return
        async with self._line.transaction() as conn:
            page = await gap.sweep(conn, self._swept_to, limit=_SWEPT)
            if not page:
                await gap.prune(conn, now=self._clock.now())
        for boot, worth in page:
            if worth:
                self._due[boot] = now
        self._swept_to = page[-1][0] if page else None
        self._sweep_at = now + _SWEEP_EVERY_S

    async def _look_at(self, boots: Sequence[Boot]) -> None:
        # What comes of them from now on makes them due again.
        for boot in boots:
            self._due.pop(boot, None)
        anew = {boot for boot in boots if boot in self._anew}
        self._anew -= anew
        try:
            async with self._line.transaction() as conn:
                now = self._clock.now()
                looks = await self._find(conn, boots, anew, now)
                still_open = await gap.open_boots(conn, boots)
        except BaseException:
            self._due.update(dict.fromkeys(boots, self._monotonic()))
            self._anew |= anew
            raise
        self._open = (self._open - set(boots)) | still_open
        for boot, seen in looks.items():
            if seen.again_at is not None:
                self._again(boot, (seen.again_at - now).total_seconds())

    def _again(self, boot: Boot, wait_s: float) -> None:
        at = self._monotonic() + max(wait_s, 0.0)
        self._due[boot] = min(at, self._due.get(boot, at))

    async def _find(
        self, conn: Connection, boots: Sequence[Boot], anew: set[Boot], now: datetime
    ) -> dict[Boot, Look]:
        tops = await self._tops(conn, boots, anew, now)
        await gap.close_what_came(conn, boots, now=now)
        further = {boot: max(top.settled_to, 0) for boot, top in tops.items() if _further(top)}
        looks, counts = {}, []
        for boot, came in (await gap.islands(conn, further)).items():
            top = tops[boot]
            seen = look(top.settled_to, came, now=now, quiet=self._quiet)
            if seen.again_at is None and seen.settled_to < (top.highest or 0):
                seen = structs.replace(seen, again_at=now)  # a long count: go on
            looks[boot] = seen
            if _worth_writing(top, seen):
                counts.append(Count(boot, seen.settled_to, came[0].low_at, seen.holes))
        new = await gap.note(conn, counts, now=now) if counts else 0
        metrics.counter("gaps_found_total", "Gaps found in what nodes count").inc(new)
        return looks

    async def _tops(
        self, conn: Connection, boots: Sequence[Boot], anew: set[Boot], now: datetime
    ) -> dict[Boot, Top]:
        """How far each was looked at; from its lowest number on where the node counts its boot
        anew."""
        tops = await gap.tops(conn, boots, now=now)
        # A count whose highest number is lower than it was has begun again as well.
        anew = anew | {
            b for b, t in tops.items() if t.highest is not None and t.highest < t.settled_to
        }
        if not anew:
            return tops
        await gap.count_anew(conn, anew, now=now)
        return tops | await gap.tops(conn, anew, now=now)


def _further(top: Top) -> bool:
    return top.highest is not None and (top.highest > top.settled_to or not top.lately)


def _worth_writing(top: Top, seen: Look) -> bool:
    moved = seen.settled_to - top.settled_to
    return bool(seen.holes) or not top.lately or moved >= _WRITTEN_EVERY
