"""Which records of a meter were taken already: remembered with the message that carries them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from contract.instants import EPOCH, from_millis, to_millis
from gateway.drivers.driver import Memory, MeterRecord
from gateway.novelty import NewRecord, new_records
from gateway.sql import statements
from gateway.storage import Storage

_SQL: Final = statements("seen")
_FRAMES: Final = msgspec.msgpack.Decoder(tuple[bytes, ...])
# A meter's memory reaches back months, and another user's may come back.
KEPT: Final = timedelta(days=730)


class Register:
    """The records taken from one meter."""

    def __init__(self, storage: Storage, dev: str) -> None:
        self._storage = storage
        self._dev = dev
        row = storage.row(_SQL["memory"], {"dev": dev})
        self.frames: tuple[bytes, ...] | None = (
            None if row is None else _FRAMES.decode(row["frames"])
        )
        self._records: tuple[bytes, ...] = () if row is None else _FRAMES.decode(row["records"])
        read_at = row["read_at"] if row is not None else 0
        self.read_at: datetime | None = from_millis(read_at) if read_at else None

    def new(self, memory: Memory) -> list[NewRecord]:
        """The records not taken yet, oldest first, each with its ordinal."""
        seen = {r["raw"]: r["times"] for r in self._storage.rows(_SQL["all"], {"dev": self._dev})}
        return new_records(
            memory.records, before=self._records, seen=seen, next_ordinal=self._in_minute
        )

    def _in_minute(self, record: MeterRecord) -> int:
        values = {"dev": self._dev, "minute": _minute(record)}
        row = self._storage.row(_SQL["in_minute"], values)
        return 0 if row is None else int(row["times"])

    def take(self, records: Sequence[MeterRecord], memory: Memory, now: datetime) -> None:
        """Remember, inside the caller's transaction; call `adopt` once it is stored."""
        for record in records:
            values = {"dev": self._dev, "raw": record.raw, "minute": _minute(record)}
            self._storage.change(_SQL["take"], values | {"last": to_millis(now)})
        read_at = self._read_at(memory, now)
        self._storage.change(
            _SQL["put_memory"],
            {
                "dev": self._dev,
                "frames": msgspec.msgpack.encode(memory.frames),
                "records": msgspec.msgpack.encode(_raw(memory)),
                "read_at": to_millis(read_at or EPOCH),
            },
        )

    def adopt(self, memory: Memory, now: datetime) -> None:
        """What was read is stored: the next reading starts from here."""
        self.frames = memory.frames if memory.complete else None
        self._records = _raw(memory)
        self.read_at = self._read_at(memory, now)

    def _read_at(self, memory: Memory, now: datetime) -> datetime | None:
        # A record that noise kept from being read was there all the same.
        return now if memory.complete else self.read_at

    def unchanged(self, now: datetime) -> None:
        """The memory was looked at and is as it was: later records were not there yet."""
        self.read_at = now

    def forget(self, now: datetime) -> None:
        """Let go of records that no memory holds any more."""
        with self._storage.transaction():
            self._storage.change(_SQL["forget"], {"before": to_millis(now - KEPT)})


def _raw(memory: Memory) -> tuple[bytes, ...]:
    return tuple(record.raw for record in memory.records)


def _minute(record: MeterRecord) -> str:
    return "" if record.local is None else record.local.isoformat(timespec="minutes")
