"""From every released schema, with rows in it and while somebody writes, to the present one."""

import asyncio
import hashlib
import json
import subprocess
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from psycopg import AsyncConnection

from runtime.postgres_programs import programs
from runtime.postgres_server import PostgresServer
from store import aggregate, block, migrate, reading, series
from store.failure import UnavailableError
from store.line import Line
from store.partition import Partitions, month_of
from store.pool import Connection
from tests.store.series import block_row, reading_row
from tests.store.test_aggregate import computed

RELEASED = sorted(path.parent for path in Path(__file__).parent.glob("released/*/rows.sql"))
NOW = datetime(2026, 3, 5, tzinfo=UTC)

# What a migration takes away on purpose: the same value of another message stands beside it once.
FEWER = {"reading_conflict": 1}

SCHEMA = {
    "columns": """
        SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull,
               pg_get_expr(adbin, adrelid), attidentity
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')
          AND NOT relispartition AND attnum > 0 AND NOT attisdropped""",
    "indexes": """
        SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid
        FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
        WHERE relnamespace = 'public'::regnamespace AND NOT relispartition""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(pg_constraint.oid),
               convalidated
        FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
        WHERE relnamespace = 'public'::regnamespace AND NOT relispartition""",
    "triggers": """
        SELECT tgrelid::regclass::text, pg_get_triggerdef(pg_trigger.oid) FROM pg_trigger
        JOIN pg_class ON pg_class.oid = tgrelid WHERE NOT tgisinternal AND NOT relispartition
          AND relnamespace = 'public'::regnamespace""",
    "functions": """
        SELECT proname, pg_get_functiondef(pg_proc.oid) FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'
          AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')""",
}


async def schema(conn: Connection) -> dict[str, list[Any]]:
    """Everything the schema consists of, without partitions."""
    return {
        name: sorted(await (await conn.execute(query.encode())).fetchall(), key=repr)
        for name, query in SCHEMA.items()
    }


async def counts(conn: Connection) -> dict[str, int]:
    """How many rows each table has."""
    cursor = await conn.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'schema_migration'"
    )
    found = {}
    for (table,) in await cursor.fetchall():
        rows = await (await conn.execute(f'SELECT count(*) FROM "{table}"'.encode())).fetchall()
        found[table] = int(rows[0][0])
    return found


async def make(url: str, version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database as that version left it, with rows."""
    names = json.loads((version / "migrations.json").read_text(encoding="utf-8"))
    with monkeypatch.context() as patch:
        old = [(name, sql) for name, sql in migrate.migrations() if name in names]
        patch.setattr(migrate, "migrations", lambda: old)
        await migrate.migrate(url, timescaledb=False)
    async with await AsyncConnection.connect(url, autocommit=True) as conn:
        await conn.execute((version / "rows.sql").read_bytes())


@pytest.mark.parametrize("version", RELEASED, ids=lambda path: path.name)
def test_what_was_released_is_not_edited(version: Path) -> None:
    """The migrations of a released version are still those."""
    released = json.loads((version / "migrations.json").read_text(encoding="utf-8"))
    present = {name: hashlib.sha256(sql.encode()).hexdigest() for name, sql in migrate.migrations()}
    assert {name: present.get(name) for name in released} == released


@pytest.mark.parametrize("version", RELEASED, ids=lambda path: path.name)
async def test_an_upgraded_database_is_like_a_new_one(
    version: Path,
    native_conn: Connection,
    other_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same schema, and every row is still there."""
    url = other_database_url
    await make(url, version, monkeypatch)
    async with await AsyncConnection.connect(url, autocommit=True) as conn:
        before = await counts(conn)
        assert before["reading"] == 60
        await migrate.migrate(url)
        new = await schema(native_conn)
        upgraded = await schema(conn)
        for name in SCHEMA:
            assert upgraded[name] == new[name]
        after = await counts(conn)
        assert {table: after[table] + FEWER.get(table, 0) for table in before} == before
        assert await series.engine(conn) == "native"


@pytest.mark.parametrize("version", RELEASED, ids=lambda path: path.name)
async def test_what_was_stored_before_is_aggregated(
    version: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days and minutes of rows that no feed tells of."""
    await make(empty_database_url, version, monkeypatch)
    await migrate.migrate(empty_database_url)
    options = "-c timezone=UTC"
    async with await AsyncConnection.connect(
        empty_database_url, autocommit=True, options=options
    ) as conn:
        await computed(conn)
        span = {"since": date(2026, 1, 1), "until": date(2026, 3, 1)}
        days = await aggregate.days(conn, patient_id=1, kind="bp", **span)
        assert sum(day.n for day in days) == 51
        hours = {"since": datetime(2026, 2, 3, tzinfo=UTC), "until": NOW}
        minutes = await aggregate.minutes(conn, patient_id=1, kind="spo2", **hours)
        assert [minute.n for minute in minutes] == [60] * 120


async def _write_on(url: str, ended: asyncio.Event) -> tuple[int, int]:
    """As a writer of ingest does, until told to stop: batches written, batches tried again."""
    line, partitions, written, again = Line(url, name="test"), Partitions(), 0, 0
    while not ended.is_set():
        at = NOW + written * timedelta(seconds=1)
        try:
            async with line.transaction() as conn:
                await partitions.ensure(conn, "reading", [month_of(at)])
                await partitions.ensure(conn, "block", [month_of(at)])
            async with line.transaction() as conn:
                await reading.write(conn, [reading_row(measured_at=at)])
                await block.write(conn, [block_row(start_at=at)])
            written += 1
        except UnavailableError:
            again += 1
    await line.close()
    return written, again


@pytest.mark.parametrize("version", RELEASED, ids=lambda path: path.name)
async def test_ingest_goes_on_meanwhile(
    version: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer of the present version on a database that is being upgraded: nothing it committed
    is missing, and it never had to wait as long as its own patience."""
    await make(empty_database_url, version, monkeypatch)
    ended = asyncio.Event()
    writers = [asyncio.create_task(_write_on(empty_database_url, ended))]
    await asyncio.sleep(0.3)
    await migrate.migrate(empty_database_url)
    await asyncio.sleep(0.3)
    ended.set()
    ((written, _),) = await asyncio.gather(*writers)
    async with await AsyncConnection.connect(empty_database_url, autocommit=True) as conn:
        after = await counts(conn)
    assert written > 0
    assert (after["reading"], after["block"]) == (60 + written, 120 + written)


@pytest.mark.parametrize("version", RELEASED, ids=lambda path: path.name)
async def test_a_database_can_be_moved_to_timescaledb(
    version: Path,
    timescaledb: str,
    other_database_url: str,
    conn: Connection,
    database_url: str,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rows of a database of partitions into a new one of hypertables (adr/0013)."""
    await make(other_database_url, version, monkeypatch)
    await migrate.migrate(other_database_url)
    async with await AsyncConnection.connect(other_database_url, autocommit=True) as old:
        before = await counts(old)
    admin = postgres.admin_url.rpartition("/")[0] + "/" + database_url.rpartition("/")[2]
    # These say of a database what it is; the new one has said it already.
    names = ("schema_migration", "series_choice", "aggregate_state", "credential_revision")
    dump = ["pg_dump", "--data-only", "--load-via-partition-root"]
    dump += [f"--exclude-table={name}" for name in names]
    run = partial(subprocess.run, capture_output=True, check=False, cwd="/")
    copied = run([programs(None) / dump[0], *dump[1:], other_database_url])
    assert copied.returncode == 0, copied.stderr
    psql = [programs(None) / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", admin]
    # No triggers, no foreign keys: the tables come in any order.
    as_copied = {"PGOPTIONS": "-c session_replication_role=replica"}
    loaded = run(psql, input=copied.stdout, env=as_copied)
    assert loaded.returncode == 0, loaded.stderr
    assert await counts(conn) == before
    await conn.execute("SET timezone = 'UTC'")
    await computed(conn)
    span = {"since": date(2026, 1, 1), "until": date(2026, 3, 1)}
    days = await aggregate.days(conn, patient_id=1, kind="bp", **span)
    assert sum(day.n for day in days) == 51
