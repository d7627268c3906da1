"""Readings of zhang for the tests of the API, stored as ingest stores them."""

from datetime import timedelta
from typing import Any

import msgspec

from runtime.clock import ManualClock
from store import device, reading
from store.partition import Partitions, month_of
from store.pool import Connection
from store.reading import ReadingRow
from tests.care.village import Village


class Measured:
    """Stores readings as ingest would."""

    def __init__(self, conn: Connection, village: Village, clock: ManualClock) -> None:
        self._conn = conn
        self._village = village
        self._clock = clock
        self._seq = 0

    async def _device(self, name: str) -> int:
        found = await device.find(self._conn, node_id=self._village.nodes[name], dev="cuff1")
        assert found is not None
        return found.id

    async def row(self, minutes_ago: float, *values: float | None, **other: Any) -> ReadingRow:
        """A blood pressure of zhang."""
        now = self._clock.now()
        self._seq += 1
        plain = ReadingRow(
            device_id=await self._device("zhang"),
            kind="bp",
            measured_at=now - timedelta(minutes=minutes_ago),
            ordinal=0,
            patient_id=self._village.patients["zhang"],
            values=tuple([*values, None, None, None, None][:4]),
            flags=0,
            clock="ntp",
            claimed_at=None,
            who=None,
            session_id=None,
            context=None,
            original=None,
            fix=False,
            node_id=self._village.nodes["zhang"],
            boot=7,
            seq=self._seq,
            sent_at=now,
            received_at=now,
        )
        return msgspec.structs.replace(plain, **other)

    async def store(self, *rows: ReadingRow) -> None:
        """Write them, with their months."""
        months = {month_of(row.measured_at) for row in rows}
        await Partitions().ensure(self._conn, "reading", months)
        async with self._conn.transaction():
            await reading.write(self._conn, rows)
