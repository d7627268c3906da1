"""A line to the database: what fails for now and what fails for ever are different errors."""

import psycopg
import pytest
from psycopg import AsyncConnection

from runtime.free_port import free_port
from store.failure import DamagedError, UnavailableError, UnstorableError
from store.line import Line


async def test_a_block_is_committed_or_nothing(database_url: str) -> None:
    """At the end of the block it is stored; when the block raises, it is not."""
    line = Line(database_url, name="test")
    async with line.transaction() as conn:
        await conn.execute("CREATE TABLE kept (id int)")

    async def fail() -> None:
        async with line.transaction() as conn:
            await conn.execute("CREATE TABLE undone (id int)")
            raise RuntimeError("failed")

    with pytest.raises(RuntimeError, match="failed"):
        await fail()
    async with line.transaction() as conn:
        cursor = await conn.execute("SELECT to_regclass('kept'), to_regclass('undone')")
        assert await cursor.fetchone() == ("kept", None)
    await line.close()


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1/0", UnstorableError),
        ("SELECT 'x'::int", UnstorableError),
        ("INSERT INTO node (id, area_id) VALUES ('testnode1', 404)", UnstorableError),
        ("SELECT * FROM not_migrated_yet", UnavailableError),
        ("DO $$ BEGIN RAISE 'page' USING ERRCODE = 'XX001'; END $$", DamagedError),
        ("DO $$ BEGIN RAISE 'index' USING ERRCODE = 'XX002'; END $$", DamagedError),
        ("SELECT pg_terminate_backend(pg_backend_pid())", UnavailableError),
        (
            "SET TRANSACTION READ ONLY; INSERT INTO area (level, name) VALUES ('city', 'x')",
            UnavailableError,
        ),
    ],
)
async def test_errors_are_told_apart(
    database_url: str, statement: str, expected: type[Exception]
) -> None:
    """Values that do not fit are for ever; everything else may pass. The line works again after."""
    line = Line(database_url, name="test")
    with pytest.raises(expected):
        async with line.transaction() as conn:
            await conn.execute(statement.encode())
    await line.ping(5)
    await line.close()


async def test_text_that_cannot_be_sent_is_for_ever(database_url: str) -> None:
    """NUL and half a surrogate pair fail in the client; that is about the values, too."""
    line = Line(database_url, name="test")
    for text in ("a\x00b", "\ud800"):
        with pytest.raises(UnstorableError):
            async with line.transaction() as conn:
                await conn.execute("SELECT %s::text", (text,))
    await line.close()


async def test_a_deadlock_may_pass(database_url: str) -> None:
    """A lock that cannot be had in time says: try again."""
    line = Line(database_url, name="test")
    async with await AsyncConnection.connect(database_url) as other:
        await other.execute("LOCK TABLE area")
        with pytest.raises(UnavailableError):
            async with line.transaction() as conn:
                await conn.execute("SET LOCAL lock_timeout = '50ms'; LOCK TABLE area")
    await line.close()


async def test_nobody_there_may_pass() -> None:
    """A server that is away, and the words say nothing of passwords or values."""
    line = Line(f"postgresql://u:secret@127.0.0.1:{free_port()}/x", name="test")
    with pytest.raises(UnavailableError) as error:
        await line.ping(5)
    assert "secret" not in str(error.value)
    assert isinstance(error.value.__cause__, psycopg.OperationalError)


async def test_a_commit_is_durable_whatever_the_server_was_set_to_later(database_url: str) -> None:
    """Somebody loosens the database while the hub runs: a line still waits for the disk."""
    async with await AsyncConnection.connect(database_url, autocommit=True) as conn:
        name = conn.info.dbname
        await conn.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    line = Line(database_url, name="test")
    async with line.transaction() as conn:
        assert await (await conn.execute("SHOW synchronous_commit")).fetchone() == ("on",)
    await line.close()
