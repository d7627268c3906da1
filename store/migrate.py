"""Bring the schema up to date: numbered SQL files, each once, in order, each in a transaction.

The indexes of a file `*.online.sql` are built without one, so that nobody waits for them
(store.online); the file is noted when all of them are whole. An empty database of a server with
TimescaleDB uses it (store.series). Ingest may go on writing meanwhile: a migration that cannot have
its locks at once lets go of all of them and tries again.
"""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import resources

from psycopg import AsyncConnection
from psycopg.errors import DeadlockDetected, LockNotAvailable

from store import online, series
from store.pool import Connection, assert_durable

# Writers wait so long behind a migration that waits for a table; a minute of trying in all.
_LOCK_WAIT = "500ms"
_TRIES = 60

# Any number, the same for every Hearthbeat: two migrations never run at once.
_LOCK = 4_851_001
_LOCK_LOOK_S = 0.2


class MigrationChangedError(RuntimeError):
    """A migration file was edited after it had been applied."""


def migrations() -> list[tuple[str, str]]:
    """Every migration as (name, SQL), in order."""
    folder = resources.files("store").joinpath("migrations")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [(f.name, f.read_text(encoding="utf-8")) for f in files]


async def migrate(database_url: str, *, timescaledb: bool = True) -> list[str]:
    """Apply what is missing and return its names. Safe to run twice, and by two at once.

    An empty database uses TimescaleDB where the server has it, unless told not to.
    """
    async with await AsyncConnection.connect(database_url, autocommit=True) as conn:
        await assert_durable(conn)
        await _alone(conn)
        try:
            return await _apply_missing(conn, timescaledb)
        finally:
            await conn.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


async def _alone(conn: Connection) -> None:
    # By asking, not in one statement that waits: a concurrent build waits for that statement.
    while True:
        row = await (await conn.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,))).fetchone()
        if row is not None and row[0]:
            return
        await asyncio.sleep(_LOCK_LOOK_S)


async def _apply_missing(conn: Connection, timescaledb: bool) -> list[str]:
    await conn.execute(
        "CREATE TABLE IF NOT EXISTS schema_migration (name text PRIMARY KEY,"
        " sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    cursor = await conn.execute("SELECT name, sha256 FROM schema_migration")
    known = {str(name): str(digest) for name, digest in await cursor.fetchall()}
    if timescaledb and not known:
        await series.offer(conn)
    applied = []
    for name, sql in migrations():
        digest = hashlib.sha256(sql.encode()).hexdigest()
        if known.get(name, digest) != digest:
            raise MigrationChangedError(f"{name} was changed after it was applied: add a new file")
        if name not in known:
            # Nobody writes to a database that was empty a moment ago: there the quick way is right.
            slowly = bool(known) and name.endswith(".online.sql")
            await (_build if slowly else _apply)(conn, name, sql, digest)
            applied.append(name)
    return applied


async def _apply(conn: Connection, name: str, sql: str, digest: str) -> None:
    async def once() -> None:
        async with conn.transaction():
            await conn.execute(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'".encode())
            await conn.execute(sql.encode())
            await _note(conn, name, digest)

    await _insist(once)


async def _build(conn: Connection, name: str, sql: str, digest: str) -> None:
    for index in online.indexes(sql):
        await _insist(partial(online.build, conn, index))
    await _note(conn, name, digest)


async def _note(conn: Connection, name: str, digest: str) -> None:
    noted = "INSERT INTO schema_migration (name, sha256) VALUES (%s, %s)"
    await conn.execute(noted, (name, digest))


async def _insist(once: Callable[[], Awaitable[None]]) -> None:
    for tries in range(1, _TRIES + 1):
        try:
            await once()
        except (LockNotAvailable, DeadlockDetected):
            # Whoever waits behind us for a table goes first.
            if tries == _TRIES:
                raise
            await asyncio.sleep(random.uniform(0.1, 1.0))  # noqa: S311 - no secret
        else:
            return
