"""Indexes built while somebody writes: nobody waits, and an interruption leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.errors import LockNotAvailable

from store import migrate, online, series
from store.partition import Partitions, month_of
from store.pool import Connection
from tests.store.test_upgrade import NOW, RELEASED, SCHEMA, make, schema

PATIENCE_S = 120.0
ROWS = 200_000
FILES = [sql for name, sql in migrate.migrations() if name.endswith(".online.sql")]
RELEASED_ONCE = pytest.mark.parametrize("version", RELEASED, ids=lambda path: path.name)

MANY = {
    "reading": """
        INSERT INTO reading (device_id, kind, measured_at, v0, clock, node_id, boot, seq,
                             received_at)
        SELECT 1, 'hr', timestamptz '2026-02-05Z' + n * interval '10 seconds', 60, 'ntp',
               'oldnode1', 2, n, '2026-03-01Z' FROM generate_series(1, %(rows)s) AS n""",
    "reject": """
        INSERT INTO reject (received_at, topic, code, reason, payload)
        SELECT timestamptz '2026-02-05Z' + n * interval '1 second', 'hh/1/up/oldnode1/obs', 'E2001',
               'not JSON', '' FROM generate_series(1, %(rows)s) AS n""",
}
ONE = {
    "reading": """
        INSERT INTO reading (device_id, kind, measured_at, v0, clock, node_id, boot, seq,
                             received_at)
        VALUES (1, 'temp', timestamptz '2026-02-05Z' + %(n)s * interval '1 second', 36, 'ntp',
                'oldnode1', 3, %(n)s, '2026-03-01Z')""",
    "reject": """
        INSERT INTO reject (received_at, topic, code, reason, payload)
        VALUES ('2026-03-02Z', 'hh/1/up/oldnode1/obs', 'E2001', 'not JSON', '')""",
}
BUILDING = """
    SELECT pid FROM pg_stat_progress_create_index
    WHERE command = 'CREATE INDEX CONCURRENTLY' AND datname = current_database()
      AND relid::regclass::text LIKE %(table)s || '%%' AND phase = 'waiting for old snapshots'"""
BROKEN = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
LACKING = """
    SELECT inhrelid::regclass::text FROM pg_inherits
    WHERE inhparent = 'reading'::regclass AND NOT EXISTS (
        SELECT FROM pg_index JOIN pg_inherits AS part ON part.inhrelid = indexrelid
        WHERE indrelid = pg_inherits.inhrelid AND indisvalid
          AND part.inhparent = 'reading_waiting'::regclass)"""


def connect(url: str) -> Awaitable[Connection]:
    """A connection whose statements are transactions of their own, in UTC."""
    return AsyncConnection.connect(url, autocommit=True, options="-c timezone=UTC")


@asynccontextmanager
async def held(url: str) -> AsyncIterator[None]:
    """Somebody still looks at the past: a concurrent build, having built, waits for them."""
    async with await connect(url) as conn, conn.transaction():
        await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await conn.execute("SELECT 1")
        yield


async def until(condition: Callable[[], Awaitable[object]], task: asyncio.Task[list[str]]) -> None:
    """Wait until it is so, while the migration runs."""
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():
            assert not task.done(), f"it ended first: {task}"
            await asyncio.sleep(0.05)


async def building(conn: Connection, table: str) -> int | None:
    """The process that builds an index of the table and waits for whoever looks at the past."""
    row = await (await conn.execute(BUILDING.encode(), {"table": table})).fetchone()
    return int(row[0]) if row else None


async def first_build(url: str, table: str) -> tuple[Connection, asyncio.Task[list[str]]]:
    """Migrate; the next index of the table stands before its end. Call it while `held`."""
    conn = await connect(url)
    task = asyncio.create_task(migrate.migrate(url))
    await until(lambda: building(conn, table), task)
    return conn, task


def only(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The online files, without the indexes of other tables."""
    kept = [index for index in online.indexes(FILES[0]) if index.table == table]
    monkeypatch.setattr(online, "indexes", lambda _: kept)


def test_every_online_file_holds_indexes_only() -> None:
    """What could not be built online is refused before anything is done."""
    assert all(online.indexes(sql) for sql in FILES)
    for wrong in ("DROP TABLE reading;", "CREATE UNIQUE INDEX a ON reading (kind);"):
        with pytest.raises(ValueError, match="online"):
            online.indexes(wrong)


@pytest.mark.parametrize("table", sorted(MANY))
@RELEASED_ONCE
async def test_writers_commit_while_an_index_is_built(
    version: Path, table: str, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock is held, its build is seen under way, and row after row is committed."""
    url = empty_database_url
    await make(url, version, monkeypatch)
    async with await connect(url) as writer:
        await writer.execute(MANY[table].encode(), {"rows": ROWS})
        only(table, monkeypatch)
        async with held(url):
            conn, task = await first_build(url, table)
            # A build that kept them out would not end before they do.
            await writer.execute("SET statement_timeout = '60s'")
            for n in range(20):
                await writer.execute(ONE[table].encode(), {"n": n})
            assert await building(conn, table) is not None
        assert "0015_indexes.online.sql" in await task
        assert await (await conn.execute(BROKEN.encode())).fetchall() == []
        await conn.close()


@RELEASED_ONCE
async def test_a_month_made_meanwhile_has_its_part(
    version: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer makes the next month while the index of an earlier one is built."""
    url = empty_database_url
    await make(url, version, monkeypatch)
    only("reading", monkeypatch)
    async with held(url):
        conn, task = await first_build(url, "reading")
        await Partitions().ensure(conn, "reading", [month_of(NOW)])
        assert await building(conn, "reading") is not None
    await task
    assert await (await conn.execute(LACKING.encode())).fetchall() == []
    assert await (await conn.execute(BROKEN.encode())).fetchall() == []
    await conn.close()


@pytest.mark.parametrize("table", ["reading", "block", "reject"])
@RELEASED_ONCE
async def test_an_interrupted_build_is_done_again(
    version: Path,
    table: str,
    native_conn: Connection,
    other_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ended in the middle: it is not noted as applied, and the next run leaves nothing broken."""
    url = other_database_url
    await make(url, version, monkeypatch)
    async with held(url):
        with monkeypatch.context() as patch:
            only(table, patch)
            conn, task = await first_build(url, table)
            pid = await building(conn, table)
            await conn.execute("SELECT pg_terminate_backend(%s)", (pid,))
            with pytest.raises(psycopg.OperationalError):
                await task
    assert await (await conn.execute(BROKEN.encode())).fetchall() != []
    assert "0015_indexes.online.sql" in await migrate.migrate(url)
    assert await (await conn.execute(BROKEN.encode())).fetchall() == []
    upgraded, new = await schema(conn), await schema(native_conn)
    assert all(upgraded[name] == new[name] for name in SCHEMA)
    await conn.close()


@RELEASED_ONCE
async def test_a_dropped_month_leaves_no_broken_index(
    version: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted, and then the months that lacked their part are forgotten by retention."""
    url = empty_database_url
    await make(url, version, monkeypatch)
    only("reading", monkeypatch)
    async with held(url):
        conn, task = await first_build(url, "reading")
        pid = await building(conn, "reading")
        await conn.execute("SELECT pg_terminate_backend(%s)", (pid,))
        with suppress(psycopg.OperationalError):
            await task
    for (month,) in await (await conn.execute(LACKING.encode())).fetchall():
        await conn.execute(f"DROP TABLE {month}".encode())
    await migrate.migrate(url)
    assert await (await conn.execute(BROKEN.encode())).fetchall() == []
    await conn.close()


@RELEASED_ONCE
async def test_two_migrators_of_a_filled_database(
    version: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that waits for its turn is not waited for by the build of the other."""
    url = empty_database_url
    await make(url, version, monkeypatch)
    async with asyncio.timeout(PATIENCE_S):
        done = await asyncio.gather(migrate.migrate(url), migrate.migrate(url))
    assert [] in done
    assert sum("0015_indexes.online.sql" in names for names in done) == 1


async def test_a_hypertable_gets_its_index_chunk_by_chunk(
    timescaledb: str, conn: Connection, database_url: str
) -> None:
    """Also after a build that ended in the middle: one chunk was being written."""
    await conn.execute(
        b"INSERT INTO reading (device_id, kind, measured_at, v0, clock, node_id, boot, seq,"
        b" received_at) SELECT 1, 'hr', timestamptz '2026-01-05Z' + n * interval '1 day', 60,"
        b" 'ntp', 'oldnode1', 2, n, '2026-03-01Z' FROM generate_series(1, 90) AS n"
    )
    (index,) = (i for i in online.indexes(FILES[0]) if i.name == "reading_waiting")
    definition = b"SELECT pg_get_indexdef('reading_waiting'::regclass)"
    before = await (await conn.execute(definition)).fetchone()
    await conn.execute("DROP INDEX reading_waiting")
    (*_, last) = await series.pieces(conn, "reading")
    async with await connect(database_url) as other, other.transaction():
        await other.execute(f"LOCK TABLE {last.name} IN ROW EXCLUSIVE MODE".encode())
        with pytest.raises(LockNotAvailable):
            await online.build(conn, index)
    assert await (await conn.execute(BROKEN.encode())).fetchall() != []
    await online.build(conn, index)
    assert await (await conn.execute(definition)).fetchone() == before
    assert await (await conn.execute(BROKEN.encode())).fetchall() == []
    cursor = await conn.execute(
        "SELECT count(*) FROM pg_indexes WHERE indexname ~ 'reading_waiting'"
    )
    assert await cursor.fetchone() == (1 + len(await series.pieces(conn, "reading")),)
