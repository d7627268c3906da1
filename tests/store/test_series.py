"""Series tables: the same behaviour as hypertables and as monthly partitions."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from store import block, reading, series
from store.migrate import migrate
from store.partition import Partitions, month_of
from store.pool import Connection
from tests.store.series import AT, block_row, reading_row

DAY = timedelta(days=1)


async def write_at(conn: Connection, *days: datetime) -> None:
    """One reading and one block at each of these instants."""
    for table in ("reading", "block"):
        await Partitions().ensure(conn, table, {month_of(at) for at in days})  # type: ignore[arg-type]
    async with conn.transaction():
        await reading.write(conn, [reading_row(measured_at=at) for at in days])
        await block.write(conn, [block_row(start_at=at) for at in days])


async def instants(conn: Connection) -> list[datetime]:
    """When the stored readings were measured."""
    cursor = await conn.execute("SELECT measured_at FROM reading ORDER BY 1")
    return [at for (at,) in await cursor.fetchall()]


async def test_a_database_is_made_for_the_server_it_is_on(
    timescaledb: str, conn: Connection
) -> None:
    """With TimescaleDB there both series are hypertables, and the schema says so once."""
    assert await series.engine(conn) == "timescaledb"
    assert (await series.server(conn))[1] == timescaledb
    rows = await conn.execute(
        "SELECT hypertable_name, compression_enabled FROM timescaledb_information.hypertables"
    )
    assert sorted(await rows.fetchall()) == [("block", True), ("reading", True)]


async def test_without_timescaledb_a_database_is_partitioned(native_conn: Connection) -> None:
    """And on a server that has it, one that was made without stays as it is."""
    assert await series.engine(native_conn) == "native"
    await write_at(native_conn, AT)
    pieces = await series.pieces(native_conn, "reading")
    assert [(piece.since, piece.until) for piece in pieces] == [
        (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    ]


async def test_migrating_again_does_not_change_the_choice(
    native_conn: Connection, native_database_url: str
) -> None:
    """A database moved to a server with TimescaleDB stays native, with its rows."""
    await write_at(native_conn, AT)
    assert await migrate(native_database_url) == []
    assert await series.engine(native_conn) == "native"
    assert await instants(native_conn) == [AT]


async def test_old_pieces_go_whole_and_nothing_younger(conn: Connection) -> None:
    """Whatever the pieces are: what is at or after the border stays, what goes had ended by it."""
    days = [AT + n * 9 * DAY for n in range(12)]
    await write_at(conn, *days)
    border = AT + 60 * DAY
    gone = await series.drop_before(conn, "reading", border)
    assert gone
    assert all(piece.until <= border for piece in gone)
    left = await instants(conn)
    assert [at for at in days if at >= border] == [at for at in left if at >= border]
    assert left == [at for at in days if not any(p.since <= at < p.until for p in gone)]
    assert await series.drop_before(conn, "reading", border) == []
    blocks = await (await conn.execute("SELECT count(*) FROM block")).fetchone()
    assert blocks == (len(days),)


async def test_dropping_gives_way_to_a_writer(
    native_conn: Connection, native_database_url: str
) -> None:
    """While somebody writes to the month, dropping gives up at once, and writers go on."""
    await write_at(native_conn, AT)
    async with await psycopg.AsyncConnection.connect(native_database_url) as writer:
        await reading.write(writer, [reading_row(device_id=2)])
        with pytest.raises(psycopg.errors.LockNotAvailable):
            await series.drop_before(native_conn, "reading", AT + 90 * DAY)
    assert len(await instants(native_conn)) == 2
