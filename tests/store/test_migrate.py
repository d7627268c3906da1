"""Migrations: each once, in order, never edited, never on a server that forgets."""

import asyncio

import psycopg
import pytest
from psycopg import AsyncConnection

from runtime.postgres_server import PostgresServer
from store import migrate as module
from store.migrate import MigrationChangedError, migrate, migrations
from store.pool import NotDurableError


async def test_every_migration_is_applied_once(empty_database_url: str) -> None:
    """The first run applies all, the second nothing."""
    assert await migrate(empty_database_url) == [name for name, _ in migrations()]
    assert await migrate(empty_database_url) == []


async def test_two_at_once_do_not_collide(empty_database_url: str) -> None:
    """Two processes that start together: one migrates, the other finds it done."""
    results = await asyncio.gather(migrate(empty_database_url), migrate(empty_database_url))
    assert sorted(results) == [[], [name for name, _ in migrations()]]


async def test_an_edited_migration_is_refused(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that changed after it was applied stops the start, and says what to do."""
    await migrate(empty_database_url)
    edited = [(name, sql + "\n-- edited") for name, sql in migrations()]
    monkeypatch.setattr(module, "migrations", lambda: edited)
    with pytest.raises(MigrationChangedError, match="add a new file"):
        await migrate(empty_database_url)


async def test_a_failing_migration_leaves_nothing(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a migration is none: its transaction is rolled back and it is not noted."""
    broken = [("0001_broken.sql", "CREATE TABLE half (id int); SELECT nonsense")]
    monkeypatch.setattr(module, "migrations", lambda: broken)
    with pytest.raises(psycopg.Error):
        await migrate(empty_database_url)
    async with await AsyncConnection.connect(empty_database_url) as conn:
        row = await (await conn.execute("SELECT to_regclass('half')")).fetchone()
        assert row == (None,)
        assert await (await conn.execute("SELECT * FROM schema_migration")).fetchall() == []


async def test_a_server_that_forgets_is_refused(
    postgres: PostgresServer, empty_database_url: str
) -> None:
    """With synchronous_commit off a commit can be lost: the hub does not start on it."""
    name = empty_database_url.rpartition("/")[2]
    with psycopg.connect(postgres.admin_url, autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off'.encode())
    with pytest.raises(NotDurableError, match="synchronous_commit"):
        await migrate(empty_database_url)
