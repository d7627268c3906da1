"""Writing a batch until it is written: held while the database is away, split when it is poisoned.

What fails for now is tried again for ever, with jitter, while the broker holds messages back.
What can never be stored is found by halving the batch, kept as it came in the reject table, and
acknowledged, so that one bad message never stops the good ones.
"""

import asyncio
from collections.abc import Callable, Sequence
from random import random

import msgspec
import structlog
from msgspec import Struct

from contract.errors import defect
from ingest.at_work import AtWork
from ingest.decode import HUB_FAULT
from ingest.entry import Entry, Outcome
from ingest.fault import fault
from ingest.health import Health
from ingest.heard import Heard
from ingest.measured import Measured
from ingest.mqtt_session import Arrival
from ingest.recount import recount
from ingest.short_way import commit, sift
from ingest.usual import Usual
from ingest.write import write
from runtime.backoff import full_jitter
from store import message, node_state
from store.block import months_of
from store.copying import TakenError
from store.failure import (
    ClashError,
    DamagedError,
    ExhaustedError,
    UnavailableError,
    UnstorableError,
)
from store.line import Line
from store.partition import Partitions

_LOG = structlog.get_logger()
NOT_STORABLE = "E9002"
_PING_S = 2.0
_WARY = 8
# Two transactions that stand in each other's way do so by chance: tried again at once, so often.
_CLASHES = 8
_CLASH_S = 0.05
_OTHERS_S = 10.0


class Patience(Struct, frozen=True, kw_only=True):
    """How long to wait before trying again: full jitter between these, in seconds."""

    base_s: float
    cap_s: float
    # After so many refusals by a database that answers, the messages are looked at one by one.
    suspicions: int = 8

    def pause_s(self, attempt: int) -> float:
        """Before try number `attempt`."""
        return full_jitter(attempt, base=self.base_s, cap=self.cap_s, rand=random)


class Writer:
    """One writer with its own line to the database."""

    def __init__(
        self,
        line: Line,
        *,
        name: str,
        partitions: Partitions,
        heard: Heard,
        health: Health,
        metrics: Measured,
        patience: Patience,
        monotonic: Callable[[], float],
        after_outage: Callable[[], None] = lambda: None,
        at_work: AtWork | None = None,
    ) -> None:
        self._line = line
        self._name = name
        self._partitions = partitions
        self._heard = heard
        self._health = health
        self._metrics = metrics
        self._patience = patience
        self._monotonic = monotonic
        self._after_outage = after_outage
        self._at_work = at_work or AtWork()
        self._clashes = 0
        # What the batch in work was, and what of it was copied.
        self._came: list[Arrival] = []
        self._copied_last = Usual()
        # So many batches are looked at before they are copied: something of the last was known.
        self._wary = 0

    async def store(self, entries: Sequence[Entry]) -> list[Outcome]:
        """Store a batch, however long it takes. Returns after the commit."""
        self._at_work.begin(self._name)
        try:
            return await self._until_stored(entries)
        finally:
            self._at_work.end(self._name)

    async def _until_stored(self, entries: Sequence[Entry]) -> list[Outcome]:
        attempt = suspicions = 0
        while True:
            try:
                if suspicions < self._patience.suspicions:
                    outcomes = await self._halve(entries)
                else:
                    outcomes = await self._one_by_one(entries)
            except UnavailableError as error:
                if await self._gives_way(error):
                    continue
                await self._hold(error, attempt)
                attempt += 1
                suspicions = await self._suspects(error, suspicions)
            else:
                self._clashes = 0
                self._health.fine(self._name)
                if attempt:
                    self._after_outage()
                return outcomes

    async def copy(self, usual: Usual) -> tuple[Usual, list[Arrival]]:
        """Store usual messages the short way, however long it takes: what was stored, after the
        commit, and what has to go the long way."""
        self._at_work.begin(self._name)
        stored, left = await self._until_copied(usual)
        self._came, self._copied_last = (usual.arrivals, stored) if left else ([], Usual())
        if not left:
            self._at_work.end(self._name)
        return stored, left

    async def _until_copied(self, usual: Usual) -> tuple[Usual, list[Arrival]]:
        others: list[Arrival] = []
        held = taken = 0
        while usual and held < self._patience.suspicions and taken <= 1:
            try:
                if self._wary:
                    usual, known = await sift(self._line, usual)
                    others += known
                await self._copied(usual)
            except TakenError:
                self._wary, taken = _WARY, taken + 1
            except DamagedError:
                break  # the long way finds those that belong there
            except UnavailableError as error:
                if not await self._gives_way(error):
                    await self._hold(error, held)
                    held += 1
            except Exception as error:  # noqa: BLE001 - the long way finds the one that is to blame
                _LOG.error("copy_failed", **fault(error))
                break
            else:
                self._went_well(outage=held > 0)
                return usual, others
        return Usual(), others + usual.arrivals

    async def _gives_way(self, error: UnavailableError) -> bool:
        """Whether the database is well and only somebody else was first: that is no trouble."""
        if not isinstance(error, ClashError) or self._clashes >= _CLASHES:
            return False
        self._clashes += 1
        self._metrics.retries.labels(self._name).inc()
        await asyncio.sleep(full_jitter(0, base=_CLASH_S, cap=_CLASH_S, rand=random))
        return True

    async def _suspects(self, error: UnavailableError, suspicions: int) -> int:
        """How often a database that is well has refused these messages. One without room is not
        well, and refuses whatever is large."""
        if isinstance(error, ExhaustedError) or not await self._line.answers(_PING_S):
            return 0
        return suspicions + 1

    def _went_well(self, *, outage: bool) -> None:
        self._clashes = 0
        self._wary = max(0, self._wary - 1)
        self._health.fine(self._name)
        if outage:
            self._after_outage()

    async def _copied(self, usual: Usual) -> None:
        started = self._monotonic()
        await commit(self._line, usual, partitions=self._partitions, heard=self._heard)
        self._metrics.commit_seconds.observe(self._monotonic() - started)

    async def _hold(self, error: UnavailableError, attempt: int) -> None:
        self._health.trouble(self._name, str(error))
        self._partitions.forget()
        self._metrics.retries.labels(self._name).inc()
        await asyncio.sleep(self._patience.pause_s(attempt))

    async def _one_by_one(self, entries: Sequence[Entry]) -> list[Outcome]:
        """The database answers and yet refuses the batch, time and again: if it takes the reject
        of a message but not the message, it is the message. Otherwise everything is held."""
        outcomes = []
        for entry in entries:
            try:
                outcomes += await self._halve([entry])
            except UnavailableError as error:
                outcomes += await self._set_aside(entry, HUB_FAULT, str(error))
        return outcomes

    async def _halve(self, entries: Sequence[Entry]) -> list[Outcome]:
        try:
            return await self._commit(entries)
        except DamagedError as error:
            # Nobody waits for the page to be mended but who has to.
            reason, code = str(error), HUB_FAULT
        except UnavailableError:
            raise
        except UnstorableError as error:
            reason, code = str(error), NOT_STORABLE
        except Exception as error:  # noqa: BLE001 - one message must not stop all the others
            if len(entries) == 1:
                _LOG.error("write_failed", node=entries[0].node, **fault(error))
            reason, code = type(error).__name__, HUB_FAULT
        if len(entries) == 1:
            return await self._set_aside(entries[0], code, reason)
        middle = len(entries) // 2
        return [*await self._halve(entries[:middle]), *await self._halve(entries[middle:])]

    async def _commit(self, entries: Sequence[Entry]) -> list[Outcome]:
        started = self._monotonic()
        await make_room(self._line, self._partitions, entries)
        heard = self._heard.due(entries)
        async with self._line.transaction() as conn:
            if heard:
                await node_state.touch(conn, heard, at=entries[-1].arrival.received_at)
            outcomes = await write(conn, entries)
        self._heard.noted(heard)
        self._metrics.commit_seconds.observe(self._monotonic() - started)
        await self._count_again(outcomes)
        return outcomes

    async def _count_again(self, outcomes: Sequence[Outcome]) -> None:
        """Forget the old counts of nodes that have begun a boot's numbers again. Tried again with
        its batch, which changes nothing else then."""
        batch = self._came or [outcome.entry.arrival for outcome in outcomes]
        again, kept = recount(outcomes, self._copied_last, batch)
        if again:
            await self._at_work.others_end(self._name, _OTHERS_S)
            async with self._line.transaction() as conn:
                await message.start_again(conn, again, kept)

    async def _set_aside(self, entry: Entry, code: str, reason: str) -> list[Outcome]:
        """Keep the bytes of what cannot be stored. An event lands all the same, bare."""
        _LOG.error("set_aside", node=entry.node, kind=entry.kind, code=code, reason=reason)
        try:
            return await self._commit([_bare(entry, code, reason)])
        except UnavailableError:
            raise
        except Exception as error:
            # Not even that: it is not the message. Hold everything and keep trying.
            raise UnavailableError(f"cannot keep what cannot be stored: {error}") from error


async def make_room(line: Line, partitions: Partitions, entries: Sequence[Entry]) -> None:
    """Make the months these rows lie in, where they are missing, and note what is to be stored."""
    for entry in entries:
        for row in entry.blocks:
            partitions.ends.note(row)
    readings = partitions.missing(
        "reading", (row.measured_at for entry in entries for row in entry.readings)
    )
    blocks = partitions.absent(
        "block", {month for entry in entries for row in entry.blocks for month in months_of(row)}
    )
    if not readings and not blocks:
        return
    async with line.transaction() as conn:
        await partitions.ensure(conn, "reading", readings)
        await partitions.ensure(conn, "block", blocks)


def _bare(entry: Entry, code: str, reason: str) -> Entry:
    why = defect(code, "", f"the hub could not store it ({reason})")
    event = entry.event
    if event is not None:
        event = msgspec.structs.replace(event, body="{}", severity=None, ref=None)
    return Entry(
        arrival=entry.arrival,
        node=entry.node,
        kind=entry.kind,
        key=None if why.retry else entry.key,
        boot=entry.boot,
        seq=entry.seq,
        digest=entry.digest,
        receipt=entry.receipt,
        defects=(*entry.defects, why),
        dropped=entry.kept + entry.dropped,
        event=event,
    )
