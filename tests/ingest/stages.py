"""The stages of ingest without the broker: payloads in, rows out, as so many writers would."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from ingest.decode import decode
from ingest.identify import Identifier
from ingest.mqtt_session import Arrival
from ingest.validate import validate
from ingest.write import write
from store.block import months_of
from store.failure import UnavailableError
from store.line import Line
from store.partition import Partitions
from tests.ingest.conftest import NODE


class Came(NamedTuple):
    """One delivery of one message."""

    kind: str
    payload: bytes
    at: datetime


async def take(database_url: str, batches: Sequence[Sequence[Came]], *, writers: int = 1) -> None:
    """One life of an ingest: its writers take the batches as they get to them."""
    waiting = list(reversed(batches))
    async with asyncio.TaskGroup() as group:
        for n in range(writers):
            group.create_task(_writer(database_url, f"writer {n}", waiting))


async def _writer(database_url: str, name: str, waiting: list[Sequence[Came]]) -> None:
    async with contextlib.aclosing(_Line(database_url, name)) as own:
        while waiting:
            await own.take(waiting.pop())


class _Line:
    """A writer with its own connection, and what it knows of nodes and months."""

    def __init__(self, database_url: str, name: str) -> None:
        self._line = Line(database_url, name=name)
        clock = asyncio.get_running_loop().time
        self._identifier = Identifier(self._line, ttl_s=60, monotonic=clock)
        self._partitions = Partitions()

    async def take(self, batch: Sequence[Came]) -> None:
        arrivals = [Arrival(f"hh/1/up/{NODE}/{c.kind}", c.payload, c.at) for c in batch]
        entries = await self._identifier.identify([validate(decode(a)) for a in arrivals])
        readings = [row.measured_at for entry in entries for row in entry.readings]
        blocks = [month for entry in entries for row in entry.blocks for month in months_of(row)]
        async with self._line.transaction() as conn:
            await self._partitions.ensure(
                conn, "reading", self._partitions.missing("reading", readings)
            )
            await self._partitions.ensure(conn, "block", self._partitions.absent("block", blocks))
        while True:
            with contextlib.suppress(UnavailableError):
                async with self._line.transaction() as conn:
                    await write(conn, entries)
                return

    async def aclose(self) -> None:
        """Close its connection."""
        await self._line.close()
