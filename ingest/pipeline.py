"""DEVICE -> DURABLE, as a list of stages. Each line below is a file of this room.

    subscribe -> batch -> throttle -> decode -> validate -> identify -> write -> acknowledge
              -> receipt -> feed back

A batch is made first, so that looking up identities costs one query a batch, not one a message.
Reading ahead and writing overlap; several writers may work on one connection's messages, because
nothing here promises an order: everything downstream works on measured time.
"""

import asyncio
from collections.abc import Iterable, Sequence

import structlog
from msgspec import Struct

from ingest.acknowledge import acknowledge
from ingest.batch import Batcher
from ingest.decode import decode
from ingest.deprecations import Deprecations
from ingest.entry import Checked, Entry
from ingest.fault import fault
from ingest.feed_back import FeedBack
from ingest.gaps import Gaps
from ingest.health import Health
from ingest.identify import Identifier
from ingest.measured import Measured
from ingest.mqtt_session import Arrival, Session
from ingest.receipt import Receipts
from ingest.storing import Patience, Writer
from ingest.throttle import Throttle, refused_at_the_door, with_haste
from ingest.tidy import Tidy
from ingest.usual import Usual, sort_out
from ingest.validate import validate
from store.failure import UnavailableError

_LOG = structlog.get_logger()


class Stages(Struct, frozen=True, kw_only=True):
    """What the stages of one lane work with."""

    identifier: Identifier
    writers: tuple[Writer, ...]
    receipts: Receipts
    feed_back: FeedBack
    health: Health
    metrics: Measured
    patience: Patience
    throttle: Throttle
    tidy: Tidy
    deprecations: Deprecations
    gaps: Gaps


class Lane:
    """The way of one connection's messages, from arrival to receipt."""

    def __init__(self, name: str, batcher: Batcher, session: Session, stages: Stages) -> None:
        self.name = name
        self._batcher = batcher
        self._session = session
        self._stages = stages
        # One batch is read ahead of the writers; Receive Maximum bounds the whole.
        self._ahead: asyncio.Queue[tuple[Usual, list[Entry]]] = asyncio.Queue(maxsize=1)
        self._idle = 0
        self._wanted = asyncio.Event()

    async def read(self) -> None:
        """Batch, throttle; take the usual messages; of the others: decode, validate, identify."""
        while True:
            # While all writers are busy a batch had better grow: a large one costs less a message.
            await self._wanted.wait()
            arrivals = await self._batcher.next()
            self._stages.metrics.in_hand.labels(self.name).set(self._session.in_hand)
            self._stages.throttle.batch_of(self._session.in_hand)
            usual, others = await self._sorted_out(arrivals)
            if usual:
                await self._ahead.put((usual, []))
            if others:
                await self._ahead.put((Usual(), await self._understand(self._check(others))))

    async def write(self, writer: Writer) -> None:
        """Write, acknowledge, receipt, feed back."""
        while True:
            usual, entries = await self._next()
            stored, left = await writer.copy(usual)
            self._settle_usual(stored)
            # They were counted already.
            entries += await self._understand([validate(decode(arrival)) for arrival in left])
            if not entries:
                continue
            outcomes = await writer.store(entries)
            self._stages.identifier.forget(outcomes)
            acknowledge(self._session, outcomes)
            self._stages.receipts.note(outcomes)
            self._stages.feed_back.say(outcomes)
            self._stages.metrics.note(outcomes)
            self._stages.tidy.note(outcomes)
            self._stages.deprecations.note(outcomes)
            self._stages.gaps.note(outcomes)

    async def _next(self) -> tuple[Usual, list[Entry]]:
        self._idle += 1
        self._wanted.set()
        try:
            return await self._ahead.get()
        finally:
            self._idle -= 1
            if not self._idle:
                self._wanted.clear()

    def _settle_usual(self, usual: Usual) -> None:
        """Acknowledge, receipt; there is nothing to feed back."""
        if usual:
            self._session.settle(usual.arrivals)
            self._stages.receipts.note_usual(usual)
            self._stages.metrics.note_usual(usual)
            self._stages.gaps.note_boots(usual.boots)

    async def _sorted_out(self, arrivals: list[Arrival]) -> tuple[Usual, list[Arrival]]:
        identifier = self._stages.identifier
        try:
            await identifier.know(arrivals)
            return sort_out(arrivals, identifier.ways, self._stages.throttle)
        except UnavailableError:
            pass  # the others wait for the database, and say so
        except Exception as error:  # noqa: BLE001 - looked at one by one
            _LOG.error("sort_out_failed", **fault(error))
        return Usual(), arrivals

    def _check(self, arrivals: Iterable[Arrival]) -> list[Checked]:
        return [self._checked(arrival) for arrival in arrivals]

    def _checked(self, arrival: Arrival) -> Checked:
        throttle = self._stages.throttle
        haste = throttle.at_the_door(arrival)
        if haste is not None:
            return refused_at_the_door(arrival, haste)
        checked = validate(decode(arrival))
        return with_haste(checked, throttle.inside(checked))

    async def _understand(self, checked: Sequence[Checked]) -> list[Entry]:
        attempt = 0
        name = f"identify-{self.name}"
        while True:
            try:
                entries = await self._stages.identifier.identify(checked)
            except UnavailableError as error:
                self._stages.health.trouble(name, str(error))
                await asyncio.sleep(self._stages.patience.pause_s(attempt))
                attempt += 1
            else:
                self._stages.health.fine(name)
                return entries
