"""Whose a reading is, said by a person: moved from nobody, or from the wrong person, to another.

A deed names where everything is thought to be. Each row is moved only if it is still there, or
nothing is: of two people at once one is told. Histories, conflicts and the number of the deed are
written with it, so that it can be undone as a whole, once. What it returns for the feed is to be
appended as the last statement of the same transaction.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct
from psycopg.errors import DeadlockDetected, UniqueViolation
from psycopg.rows import namedtuple_row

from store.deed import BlockRef, ChunkRef, Deed, Load, Place, Ref, block_items, reading_items
from store.feed import FeedItem
from store.named import queries
from store.pool import Connection

_SQL = queries("reassign")

FEED: Final = "care"
_TRIES: Final = 3


class Moved(Struct, frozen=True, kw_only=True):
    """What a deed did. `items` are for the feed."""

    id: int
    readings: int
    blocks: int
    chunks: int
    items: list[FeedItem]


class ElsewhereError(Exception):
    """`gone` of what was to be moved is not there (any more): nothing was moved."""

    def __init__(self, gone: int) -> None:
        super().__init__(f"{gone} are not where they were thought to be")
        self.gone = gone


class UndoneBeforeError(Exception):
    """The deed was undone already."""


async def move(conn: Connection, deed: Deed, load: Load) -> Moved:
    """Move all of it. Raises ElsewhereError and UndoneBeforeError; part of a transaction."""
    for tries in range(1, _TRIES + 1):
        try:
            async with conn.transaction():
                return await _move(conn, deed, load)
        except (DeadlockDetected, ElsewhereError):
            # A device corrects the same readings at this moment: let it go first, then look again.
            # Where a row that changed while we waited is not looked at again (TimescaleDB), it
            # seems gone, and is there the next time.
            if tries == _TRIES:
                raise
        except UniqueViolation as error:
            raise UndoneBeforeError from error
    raise AssertionError("unreachable")


async def _move(conn: Connection, deed: Deed, load: Load) -> Moved:
    number = await _open(conn, deed)
    readings = await _move_readings(conn, deed, number, load.readings)
    blocks = await _move_blocks(conn, deed, number, load.blocks)
    chunks = await _move_chunks(conn, deed, number, load.chunks)
    counts = {"readings": len(readings), "blocks": len(blocks), "chunks": chunks}
    await conn.execute(_SQL["close"], {"id": number, **counts})
    items: list[FeedItem] = []
    for row in readings:
        items += reading_items(row, deed)
    for row in blocks:
        items += block_items(row, deed)
    return Moved(id=number, items=items, **counts)


async def _open(conn: Connection, deed: Deed) -> int:
    values = _places(deed) | {
        "actor": deed.actor,
        "what": deed.what,
        "note": deed.note,
        "undoes": deed.undoes,
    }
    return int((await (await conn.execute(_SQL["open"], values)).fetchall())[0][0])


def _places(deed: Deed) -> dict[str, Any]:
    return {
        "at": deed.at,
        "staff_id": deed.staff_id,
        "from_patient_id": deed.before.patient_id,
        "from_aside": deed.before.aside,
        "to_patient_id": deed.after.patient_id,
        "to_aside": deed.after.aside,
    }


def _columns(refs: Sequence[NamedTuple]) -> dict[str, Any]:
    """Identities as arrays, sorted, so that two writers rarely meet crosswise."""
    rows = sorted(set(refs))
    names = rows[0]._fields
    return {name: [row[n] for row in rows] for n, name in enumerate(names)}


async def _move_rows(
    conn: Connection, query: str, deed: Deed, refs: Sequence[NamedTuple], **more: Any
) -> list[Any]:
    async with conn.cursor(row_factory=namedtuple_row) as cursor:
        await cursor.execute(_SQL[query], _places(deed) | _columns(refs) | more)
        rows = await cursor.fetchall()
    gone = len(set(refs)) - len(rows)
    if gone:
        raise ElsewhereError(gone)
    return rows


async def _move_readings(
    conn: Connection, deed: Deed, number: int, refs: Sequence[Ref]
) -> list[Any]:
    if not refs:
        return []
    times = [ref.measured_at for ref in refs]
    rows = await _move_rows(conn, "move_readings", deed, refs, first=min(times), last=max(times))
    kept = _columns([Ref(*row[:4]) for row in rows])
    before = {Ref(*row[:4]): _before(row, deed.before) for row in rows}
    values = kept | {
        "id": number,
        "at": deed.at,
        "actor": deed.actor,
        "before": [before[ref] for ref in sorted(before)],
    }
    await conn.execute(_SQL["history"], values)
    await conn.execute(_SQL["move_conflicts"], _places(deed) | kept)
    return rows


def _before(row: Any, place: Place) -> str:
    """The reading as the histories of corrections tell it, with why it was set aside."""
    said = {
        "values": [row.v0, row.v1, row.v2, row.v3],
        "flags": row.flags,
        "who": row.who,
        "fix": row.fix,
        "sent_at": row.sent_at,
        "received_at": row.received_at,
        "seq": row.seq,
        "patient_id": place.patient_id,
        "node_id": row.node_id,
        "boot": row.boot,
        "set_aside": place.aside,
    }
    return msgspec.json.encode(said).decode()


async def _move_blocks(
    conn: Connection, deed: Deed, number: int, refs: Sequence[BlockRef]
) -> list[Any]:
    if not refs:
        return []
    times = [ref.start_at for ref in refs]
    rows = await _move_rows(conn, "move_blocks", deed, refs, first=min(times), last=max(times))
    await conn.execute(_SQL["keep_blocks"], _columns(refs) | {"id": number})
    return rows


async def _move_chunks(conn: Connection, deed: Deed, number: int, refs: Sequence[ChunkRef]) -> int:
    if not refs:
        return 0
    cursor = await conn.execute(_SQL["move_chunks"], _places(deed) | _columns(refs))
    if cursor.rowcount != len(set(refs)):
        raise ElsewhereError(len(set(refs)) - cursor.rowcount)
    await conn.execute(_SQL["keep_chunks"], _columns(refs) | {"id": number})
    return cursor.rowcount
