"""Blocks: dense series with a regular step, one row a column, idempotent by their identity."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from store.named import queries
from store.partition import month_of
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


class Written(NamedTuple):
    """Places in the batch: what was new, and what found its identity taken by other samples."""

    inserted: list[int]
    differing: list[int]


async def write(conn: Connection, rows: Sequence[BlockRow]) -> Written:
    """Write a batch; duplicates change nothing. Part of a transaction.

    The months of the rows must be there (store.partition).
    """
    if not rows:
        return Written([], [])
    await conn.execute(_SQL["incoming"])
    async with conn.cursor() as cursor, cursor.copy(_SQL["copy"]) as copy:
        copy.set_types(_TYPES)
        for n, row in enumerate(rows):
            await copy.write_row(_as_copied(n, row))
    inserted = await conn.execute(_SQL["insert"])
    if inserted.rowcount == len(rows):
        return Written(list(range(len(rows))), [])
    new = set(await inserted.fetchall())
    places = []
    for n, row in enumerate(rows):
        identity = (row.device_id, row.kind, row.start_at, row.part)
        if identity in new:
            new.discard(identity)
            places.append(n)
    differing = await (await conn.execute(_SQL["differing"])).fetchall()
    if not differing:
        return Written(places, [])
    return await _settle(conn, rows, places, differing)


async def _settle(
    conn: Connection,
    rows: Sequence[BlockRow],
    inserted: list[int],
    differing: Sequence[tuple[int, int | None]],
) -> Written:
    """The same series cut elsewhere is no contradiction: what is there already is a duplicate, and
    what it goes on with becomes a block of its own, in the same month."""
    tails: dict[int, BlockRow] = {}
    others = []
    for n, held in differing:
        row = rows[n]
        if held is None:
            others.append(n)
        elif held < len(row.samples):
            tail = _tail(row, held)
            same_month = month_of(tail.start_at) == month_of(row.start_at)
            tails.update({n: tail} if same_month else {})
            others.extend([] if same_month else [n])
    if tails:
        await conn.execute(_SQL["clear"])
        written = await write(conn, list(tails.values()))
        places = list(tails)
        inserted = sorted({*inserted, *(places[at] for at in written.inserted)})
        others += [places[at] for at in written.differing]
    return Written(inserted, sorted(others))


def _tail(row: BlockRow, held: int) -> BlockRow:
    return msgspec.structs.replace(
        row,
        start_at=row.start_at + timedelta(milliseconds=held * row.step_ms),
        samples=row.samples[held:],
        quality=None if row.quality is None else row.quality[held:],
    )


def _as_copied(n: int, r: BlockRow) -> tuple[object, ...]:
    identity = (n, r.device_id, r.kind, r.start_at, r.part, r.step_ms)
    quality = None if r.quality is None else list(r.quality)
    context = msgspec.json.encode(r.context).decode() if r.context else None
    said = (list(r.samples), quality, r.patient_id, r.flags, r.clock, r.claimed_at, r.who, context)
    return (*identity, *said, r.node_id, r.boot, r.seq, r.received_at)
