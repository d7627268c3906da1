"""Waveforms: chunks of recordings, idempotent by their identity: device, recording, chunk.

The first of an identity stays. What came again with other samples is told, so that it can be
kept beside and shown, never dropped in silence.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from store.named import queries
from store.pool import Connection

_SQL = queries("wave")


class ChunkRow(Struct, frozen=True, kw_only=True):
    """One chunk of a recording; a value is raw * scale + zero (encodings: contract.wave)."""

    device_id: int
    recording: str
    chunk: int
    kind: str
    patient_id: int | None
    started_at: datetime
    hz: float
    samples: int
    channels: list[str]
    encoding: str
    scale: float
    zero: float
    unit: str | None
    last: bool
    data: bytes
    clock: str
    claimed_at: datetime | None
    node_id: str
    boot: int
    seq: int
    received_at: datetime


class Written(NamedTuple):
    """Places in the batch: what was new, and what found its identity taken by other samples."""

    inserted: list[int]
    differing: list[int]


async def write(conn: Connection, rows: Sequence[ChunkRow]) -> Written:
    """Write a batch: which places of it were new, which differ from what is stored. Duplicates
    change nothing. Part of a transaction."""
    if not rows:
        return Written([], [])
    # Sorted, so that two writers cannot deadlock.
    places = sorted(range(len(rows)), key=lambda n: _identity(rows[n]))
    new = await _each(conn, "insert", [_values(rows[n]) for n in places])
    inserted = [n for n, is_new in zip(places, new, strict=True) if is_new]
    others = [n for n, is_new in zip(places, new, strict=True) if not is_new]
    differ = await _each(conn, "differing", [_values(rows[n]) for n in others])
    differing = [n for n, differs in zip(others, differ, strict=True) if differs]
    return Written(sorted(inserted), sorted(differing))


def _identity(row: ChunkRow) -> tuple[int, str, int]:
    return (row.device_id, row.recording, row.chunk)


def _values(row: ChunkRow) -> dict[str, Any]:
    return msgspec.structs.asdict(row)


async def _each(conn: Connection, name: str, values: Sequence[dict[str, Any]]) -> list[bool]:
    """Run a query for each; whether it found or made a row."""
    if not values:
        return []
    cursor = conn.cursor()
    await cursor.executemany(_SQL[name], values, returning=True)
    found = [cursor.rowcount == 1]
    while cursor.nextset():
        found.append(cursor.rowcount == 1)
    return found
