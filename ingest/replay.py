"""Taking refused messages again, after a fix: of a dictionary, a declaration, or the hub itself.

A message goes through the same stages with the time at which it came, so that it lands where it
would have landed. Its numbers were settled then; what of it is stored already finds its identity
taken, so only what was refused lands, once. Readings carry the time of the replay: they became
known then, and what is old by then pages nobody (safety rules 1 and 3).

A batch is written, and what became of it noted, in one transaction, on a line of its own.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from ingest.decode import HUB_FAULT, decode
from ingest.entry import Entry
from ingest.fault import fault
from ingest.identify import Identifier
from ingest.measured import Measured
from ingest.mqtt_session import Arrival
from ingest.replayed import as_replayed, result_of, still_of_use
from ingest.storing import NOT_STORABLE, make_room
from ingest.validate import validate
from ingest.write import write
from runtime.clock import Clock
from store import replay
from store.failure import UnavailableError, UnstorableError
from store.line import Line
from store.partition import Partitions
from store.pool import listening
from store.replay import Kept, Result

_LOG = structlog.get_logger()
# Between two batches: live messages go first.
_PAUSE_S: Final = 0.02
_EAR_PAUSE_S: Final = 2.0

_PING_S: Final = 2.0
_SUSPICIOUS: Final = 3


class Replay:
    """Takes what was asked for, a batch at a time."""

    def __init__(
        self,
        line: Line,
        *,
        identifier: Identifier,
        partitions: Partitions,
        clock: Clock,
        metrics: Measured,
        every_s: float,
        batch: int,
    ) -> None:
        self._line = line
        self._identifier = identifier
        self._partitions = partitions
        self._clock = clock
        self._metrics = metrics
        self._every_s = every_s
        self._batch = batch
        self._asked = asyncio.Event()
        self._troubles = 0

    async def run(self) -> None:
        """Take what is waiting, now and whenever something is asked for, until cancelled."""
        while True:
            self._asked.clear()
            try:
                await self._take_all()
            except UnavailableError as error:
                _LOG.warning("replay_waits", reason=str(error))
            try:
                async with asyncio.timeout(self._every_s):
                    await self._asked.wait()
            except TimeoutError:
                continue

    async def _take_all(self) -> None:
        more = True
        while more:
            more = await self.turn() > 0
            await asyncio.sleep(_PAUSE_S)

    async def listen(self, database_url: str) -> None:
        """Wake up when somebody asks; polling is the truth."""
        while True:
            try:
                async with listening(database_url, replay.CHANNEL) as ears:
                    async for _ in ears.notifies():
                        self._asked.set()
            except Exception as error:  # noqa: BLE001 - away, or a broken line: listen again
                _LOG.info("replay_deaf", **fault(error))
            await asyncio.sleep(_EAR_PAUSE_S)

    async def turn(self) -> int:
        """Take one batch; how many were settled. Raises UnavailableError."""
        async with self._line.transaction() as conn:
            kept = await replay.waiting(conn, limit=self._batch)
        if not kept:
            return 0
        try:
            settled = await self._take(kept)
        except UnavailableError:
            self._troubles += 1
            # A database that answers and yet refuses the batch, time and again: it is a message.
            if self._troubles < _SUSPICIOUS or not await self._line.answers(_PING_S):
                raise
            settled = sum([await self._take_one(one) for one in kept])
        except Exception:  # noqa: BLE001 - found one by one
            settled = sum([await self._take_one(one) for one in kept])
        self._troubles = 0
        return settled

    async def _take_one(self, kept: Kept) -> int:
        try:
            return await self._take([kept])
        except Exception as error:  # noqa: BLE001 - one message must not stop all the others
            return await self._give_up(kept, error)

    async def _take(self, kept: Sequence[Kept]) -> int:
        entries = await self._understand(kept)
        await make_room(self._line, self._partitions, entries)
        async with self._line.transaction() as conn:
            held = await replay.hold(conn, [one.id for one in kept])
            both = zip(kept, entries, strict=True)
            mine = [(one.id, entry) for one, entry in both if one.id in held]
            outcomes = await write(conn, [entry for _, entry in mine])
            results = [
                Result(number, result_of(outcome))
                for (number, _), outcome in zip(mine, outcomes, strict=True)
            ]
            await replay.note(conn, results, now=self._clock.now())
        self._metrics.note_replays(result.result for result in results)
        return len(results)

    async def _understand(self, kept: Sequence[Kept]) -> list[Entry]:
        arrivals = [Arrival(one.topic, one.payload, one.received_at, live=False) for one in kept]
        checked = [validate(decode(arrival)) for arrival in arrivals]
        births = {c.decoded.node or "" for c in checked if c.decoded.kind == "birth"}
        async with self._line.transaction() as conn:
            born = await replay.born_at(conn, births)
        entries = await self._identifier.identify([still_of_use(c, born) for c in checked])
        now = self._clock.now()
        return [as_replayed(entry, now) for entry in entries]

    async def _give_up(self, kept: Kept, error: Exception) -> int:
        """It cannot be taken: said, and left where it is."""
        code = NOT_STORABLE if isinstance(error, UnstorableError) else HUB_FAULT
        _LOG.error("replay_failed", reject=kept.id, code=code, **fault(error))
        result = Result(kept.id, f"refused: {code} the hub could not store it")
        async with self._line.transaction() as conn:
            await replay.note(conn, [result], now=self._clock.now())
        return 1
