"""What the ledger of a load test is held against: everything stored and fed, as it lies here.

The ledger's rows are put into a temporary table, so that the database sorts both sides and the
comparison reads two streams side by side, however many rows there are. It is one snapshot;
nothing is locked.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection

from store import feed
from store.feed import ReadingItem
from store.message import Boot, ranges
from store.named import queries
from store.pool import Connection

_SQL = queries("ledger_check")
_PAGE: Final = 5000
_BOOTS: Final = 500
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_DUE_TYPES: Final = (
    *("text", "text", "text", "text", "int8", "int8", "int8", "int8", "int8", "int8"),
    *("float8[]", "text", "int8", "text", "text", "int8", "bool"),
)
# The ways to spoil one reading; each makes the comparison fail.
SPOILS: Final = ("lose", "double", "alter", "unfeed")
_FED_TYPES: Final = ("int8", "text", "int8", "int8", "int8")


class Group(NamedTuple):
    """What is compared at once: all that claims one identity, or, where the time came from the
    arrival, all of one kind in one message. `boot` and `seq` are 0 for the former; `at_ms`
    (measured, UTC) and `part` (ordinal of a reading, part of a block) for the latter."""

    node_id: str
    what: str  # reading | block
    dev: str
    kind: str
    boot: int
    seq: int
    at_ms: int
    part: int


class Due(NamedTuple):
    """A row that a message must lead to. `role`: new, conflict or fix. `taken`: the hub has
    receipted the message; otherwise the row may be there or not."""

    boot: int
    seq: int
    values: Sequence[float | None]
    who: str | None
    patient_id: int | None
    clock: str
    role: str
    sent_ms: int
    taken: bool


class Held(NamedTuple):
    """A row that is there. `aside`: kept beside the reading that holds the identity, without a
    slot and a clock of its own."""

    boot: int
    seq: int
    values: Sequence[float | None]
    who: str | None
    patient_id: int | None
    clock: str
    aside: bool


class Fed(NamedTuple):
    """A reading that is not stored once and fed once: how many rows, how often fed."""

    device_id: int
    kind: str
    at_us: int
    ordinal: int
    rows: int
    fed: int


class FeedOrder(NamedTuple):
    """How the feed lies: batches, new readings in them, batches out of the order of commit."""

    batches: int
    readings: int
    disordered: int


async def server_version(database_url: str) -> str:
    """The version of the server, as it says it."""
    async with await AsyncConnection.connect(database_url) as conn:
        return conn.info.parameter_status("server_version") or ""


async def spoil(database_url: str, how: str) -> None:
    """Change one stored reading behind the hub's back, to see that the comparison finds it."""
    async with await AsyncConnection.connect(database_url, autocommit=True) as conn:
        await conn.execute(_SQL[f"spoil_{how}"])


@asynccontextmanager
async def snapshot(database_url: str) -> AsyncIterator[Connection]:
    """A connection that sees one moment of the database until it is closed."""
    options = "-c timezone=UTC -c work_mem=64MB"
    async with await AsyncConnection.connect(
        database_url, autocommit=True, options=options
    ) as conn:
        await conn.execute(_SQL["begin"])
        await conn.execute(_SQL["due_table"])
        await conn.execute(_SQL["fed_table"])
        yield conn


async def put_due(conn: Connection, rows: Iterable[tuple[Group, Due]]) -> int:
    """Take the ledger's rows; how many there were."""
    count = 0
    async with conn.cursor() as cursor, cursor.copy(_SQL["copy_due"]) as copy:
        copy.set_types(_DUE_TYPES)
        for group, due in rows:
            await copy.write_row((*group, *due[:2], list(due.values), *due[3:]))
            count += 1
    await conn.execute(_SQL["analyse_due"])
    return count


async def due(conn: Connection) -> AsyncIterator[tuple[Group, Due]]:
    """The ledger's rows, sorted by group."""
    async for row in _rows(conn, "due"):
        yield Group(*row[:8]), Due(*row[8:])


async def held(conn: Connection, nodes: Sequence[str]) -> AsyncIterator[tuple[Group, Held]]:
    """What these nodes have in the tables, sorted by group."""
    async for row in _rows(conn, "held", nodes=list(nodes)):
        yield Group(*row[:8]), Held(*row[8:])


async def refused(conn: Connection, nodes: Sequence[str]) -> AsyncIterator[tuple[str, int, int]]:
    """The messages of these nodes in the table of rejects: node, boot, seq (-1: it had none)."""
    async for node_id, boot, seq in _rows(conn, "refused", nodes=list(nodes)):
        yield node_id, boot, seq


async def taken(
    conn: Connection, boots: Sequence[Boot]
) -> AsyncIterator[tuple[Boot, list[tuple[int, int]]]]:
    """The numbers that are remembered of each boot, as ascending ranges, both ends included."""
    for start in range(0, len(boots), _BOOTS):
        found = await ranges(conn, boots[start : start + _BOOTS])
        for boot, numbers in found.items():
            yield boot, numbers


async def read_feed(conn: Connection) -> FeedOrder:
    """Read the whole feed, and keep what it says is new for `fed_otherwise`."""
    batches = readings = disordered = position = 0
    last: datetime | None = None
    while page := await feed.read_after(conn, position, limit=500):
        rows = [(*_identity(item), batch.id) for batch in page for item in _new(batch.items)]
        for batch in page:
            disordered += last is not None and batch.committed_at < last
            last = batch.committed_at
        async with conn.cursor() as cursor, cursor.copy(_SQL["copy_fed"]) as copy:
            copy.set_types(_FED_TYPES)
            for row in rows:
                await copy.write_row(row)
        batches, readings, position = batches + len(page), readings + len(rows), page[-1].id
    await conn.execute(_SQL["analyse_fed"])
    return FeedOrder(batches, readings, disordered)


async def fed_otherwise(conn: Connection) -> AsyncIterator[Fed]:
    """Every reading that is not stored once and fed once: nothing when all is well."""
    async for row in _rows(conn, "fed_otherwise"):
        yield Fed(*row)


def _new(items: Iterable[feed.FeedItem]) -> Iterable[ReadingItem]:
    for item in items:
        if isinstance(item, ReadingItem) and item.change == "inserted" and not item.conflicting:
            yield item


def _identity(item: ReadingItem) -> tuple[int, str, int, int]:
    return item.device_id, item.kind, (item.measured_at - _EPOCH) // _MICROSECOND, item.ordinal


async def _rows(conn: Connection, name: str, **values: Any) -> AsyncIterator[tuple[Any, ...]]:
    async with conn.cursor(name=f"ledger_{name}") as cursor:
        cursor.itersize = _PAGE
        await cursor.execute(_SQL[name], values)
        async for row in cursor:
            yield row
