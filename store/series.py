"""How the series tables are kept, `reading` and `block`: the one place that knows both ways.

Chosen when the database is made, and recorded in it: hypertables with a columnstore where the
server has TimescaleDB, monthly partitions where not. A database stays what it is.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple
from weakref import WeakKeyDictionary

from store import partition
from store.named import queries
from store.pool import Connection

_SQL = queries("series")

Series = partition.Series
Engine = Literal["native", "timescaledb"]

_ENGINES: WeakKeyDictionary[Connection, Engine] = WeakKeyDictionary()


class Piece(NamedTuple):
    """A partition or chunk: [since, until). `columns`: it is compressed; `late`: and rows came to
    it since."""

    name: str
    since: datetime
    until: datetime
    columns: bool
    late: bool


class Place(NamedTuple):
    """What makes a row of a series that one: `at` and `place` are measured_at and ordinal of a
    reading, start_at and part of a block. The patient is the one it is stored under."""

    device_id: int
    kind: str
    at: datetime
    place: int
    patient_id: int | None


async def offer(conn: Connection) -> bool:
    """Use TimescaleDB from now on if the server has it and the database is empty; whether so."""
    row = await (await conn.execute(_SQL["offer"])).fetchone()
    if row is None or not row[0]:
        return False
    await conn.execute(_SQL["use"])
    return True


async def engine(conn: Connection) -> Engine:
    """What this database uses; asked once a connection."""
    known = _ENGINES.get(conn)
    if known is None:
        row = await (await conn.execute(_SQL["engine"])).fetchone()
        known = "timescaledb" if row is not None and row[0] == "timescaledb" else "native"
        _ENGINES[conn] = known
    return known


async def server(conn: Connection) -> tuple[str, str | None]:
    """The version of the server, and of TimescaleDB where it is used."""
    row = await (await conn.execute(_SQL["server"])).fetchone()
    return (str(row[0]), row[1]) if row else ("?", None)


async def pieces(conn: Connection, table: Series) -> list[Piece]:
    """What the table is cut into, oldest first."""
    if await engine(conn) == "timescaledb":
        cursor = await conn.execute(_SQL["chunks"], {"table": table})
        return [Piece(*row) for row in await cursor.fetchall()]
    return [
        Piece(month.partition_of(table), month.first, month.following.first, False, False)
        for month in await partition.months(conn, table)
    ]


async def drop_before(conn: Connection, table: Series, before: datetime) -> list[Piece]:
    """Drop every piece that ended by then, with its rows; which they were.

    Raises psycopg's LockNotAvailable rather than making writers wait.
    """
    async with conn.transaction():
        await conn.execute(_SQL["hurry"])
        over = [piece for piece in await pieces(conn, table) if piece.until <= before]
        if not over:
            return []
        if await engine(conn) == "timescaledb":
            await conn.execute(_SQL["drop_chunks"], {"table": table, "before": before})
        else:
            await partition.drop_before(conn, table, before)
    return over


async def compress_before(conn: Connection, table: Series, before: datetime) -> Piece | None:
    """Make columns of the oldest piece that ended by then and needs it; None: there is none.

    One at a time: writers of late rows wait for it. Nothing to do without TimescaleDB.
    """
    if await engine(conn) == "native":
        return None
    for piece in await pieces(conn, table):
        if piece.until <= before and (piece.late or not piece.columns):
            async with conn.transaction():
                await conn.execute(_SQL["hurry"])
                await conn.execute(_SQL["take_time"])
                await conn.execute(_SQL["compress"], {"chunk": piece.name})
            return piece
    return None


async def columns_until(conn: Connection, table: Series) -> datetime | None:
    """Until when TimescaleDB keeps rows of the table in columns; None: nowhere.

    What lies in columns cannot be locked. And a statement finds it only by the values of a key, not
    by a join, without opening the whole history: change or lock rows one by one.
    """
    if await engine(conn) == "native":
        return None
    row = await (await conn.execute(_SQL["columns_until"], {"table": table})).fetchone()
    return row[0] if row else None


async def lift(conn: Connection, table: Series, places: Iterable[Place]) -> None:
    """Take these rows out of the columns, and lock them until the transaction ends."""
    ordered = sorted(places, key=lambda place: place[:4])
    owned = [place._asdict() for place in ordered if place.patient_id is not None]
    others = [place._asdict() for place in ordered if place.patient_id is None]
    async with conn.cursor() as cursor:
        if owned:
            await cursor.executemany(_SQL[f"lift_{table}"], owned)
        if others:
            await cursor.executemany(_SQL[f"lift_{table}_unassigned"], others)
