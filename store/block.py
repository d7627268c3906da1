"""Blocks: dense series with a regular step, one row a column; each sample is there once."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from store import overlap
from store.failure import UnavailableError
from store.named import queries
from store.overlap import Held, Series
from store.partition import Month, month_of
from store.pool import Connection

_SQL = queries("block")

_TYPES: Final = (
    *("int4", "int8", "text", "timestamptz", "int2", "int4", "float4[]", "int2[]", "int8"),
    *("int4", "text", "timestamptz", "text", "text", "text", "int8", "int8", "timestamptz"),
)


class BlockRow(Struct, frozen=True, kw_only=True):
    """One column (`part` 0..3) of a series; `samples` in the canonical unit, None is a gap."""

    device_id: int
    kind: str
    start_at: datetime
    part: int
    step_ms: int
    samples: Sequence[float | None]
    quality: Sequence[int | None] | None
    patient_id: int | None
    flags: int
    clock: str
    claimed_at: datetime | None = None
    who: str | None
    context: dict[str, Any] | None
    node_id: str
    boot: int
    seq: int
    received_at: datetime


class Written(Struct, frozen=True):
    """What was stored of a batch, by place in it: a row, or the pieces of it that were new. And the
    places of rows that contradict samples that were there."""

    stored: list[tuple[int, BlockRow]]
    differing: list[int]

    @property
    def inserted(self) -> list[int]:
        """The places of rows of which something was new."""
        return sorted({n for n, _ in self.stored})


async def write(conn: Connection, rows: Sequence[BlockRow]) -> Written:
    """Write what is new of a batch; duplicates change nothing. Part of a transaction, at whose end
    `alone` is to be asked.

    The months of the rows must be there, to the end of each (store.partition).
    """
    stored: list[tuple[int, BlockRow]] = []
    differing: set[int] = set()
    waiting = list(enumerate(rows))
    if waiting:
        await conn.execute(_SQL["incoming"])
    while waiting:
        pieces = _cut(waiting, await _near(conn, [row for _, row in waiting]), differing)
        if not pieces:
            break
        new = await _insert(conn, [piece for _, piece in pieces])
        stored += [pieces[at] for at in new]
        # Another writer took the identity at this moment: look again at what it stored.
        waiting = [piece for at, piece in enumerate(pieces) if at not in new]
        if waiting:
            await conn.execute(_SQL["clear"])
    return Written(stored, sorted(differing))


async def alone(conn: Connection, stored: Sequence[BlockRow]) -> None:
    """Make sure that no other transaction stored samples of the same instants meanwhile. To be
    asked under the feed's lock, when everybody else has committed. Raises UnavailableError."""
    for row, found in zip(stored, await _near(conn, stored), strict=True):
        if any(_others(row, held) for held in found):
            raise UnavailableError("somebody stored the same samples at this moment")


def _others(row: BlockRow, held: Held) -> bool:
    own = held.start_at == row.start_at
    return not own and next(overlap.shared(row, held), None) is not None


def months_of(row: BlockRow) -> set[Month]:
    """Those a row, or a piece of it, may begin in."""
    months = {month_of(row.start_at)}
    while max(months) < month_of(overlap.end_of(row)):
        months.add(max(months).following)
    return months


def _cut(
    waiting: Sequence[tuple[int, BlockRow]], near: Sequence[list[Held]], differing: set[int]
) -> list[tuple[int, BlockRow]]:
    """What is new, by place; and note what contradicts."""
    made: dict[tuple[int, str, int], Series] = defaultdict(Series)
    pieces = []
    for (n, row), held in zip(waiting, near, strict=True):
        series = made[row.device_id, row.kind, row.part]
        new = overlap.cut(row, [*held, *series.near(row)])
        differing.update([n] if new.differs else [])
        for piece in new.pieces:
            series.add(piece)
            pieces.append((n, piece))
    return pieces


async def _near(conn: Connection, rows: Sequence[BlockRow]) -> list[list[Held]]:
    """What is there around the time of each row."""
    if not rows:
        return []
    wanted = {
        "device_id": [row.device_id for row in rows],
        "kind": [row.kind for row in rows],
        "part": [row.part for row in rows],
        "first": [row.start_at for row in rows],
        "last": [overlap.end_of(row) for row in rows],
        "reach": overlap.REACH,
    }
    found: list[list[Held]] = [[] for _ in rows]
    for n, *held in await (await conn.execute(_SQL["near"], wanted)).fetchall():
        found[n].append(Held(*held))
    return found


async def _insert(conn: Connection, rows: Sequence[BlockRow]) -> set[int]:
    """Those whose identity was not taken."""
    async with conn.cursor() as cursor, cursor.copy(_SQL["copy"]) as copy:
        copy.set_types(_TYPES)
        for n, row in enumerate(rows):
            await copy.write_row(_as_copied(n, row))
    cursor = await conn.execute(_SQL["insert"])
    if cursor.rowcount == len(rows):
        return set(range(len(rows)))
    new = set(await cursor.fetchall())
    identities = enumerate((row.device_id, row.kind, row.start_at, row.part) for row in rows)
    return {n for n, identity in identities if identity in new}


def _as_copied(n: int, r: BlockRow) -> tuple[object, ...]:
    identity = (n, r.device_id, r.kind, r.start_at, r.part, r.step_ms)
    quality = None if r.quality is None else list(r.quality)
    context = msgspec.json.encode(r.context).decode() if r.context else None
    said = (list(r.samples), quality, r.patient_id, r.flags, r.clock, r.claimed_at, r.who, context)
    return (*identity, *said, r.node_id, r.boot, r.seq, r.received_at)
