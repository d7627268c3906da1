"""The one way to reach PostgreSQL: an async pool, in UTC, with rows as dictionaries or tuples."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

Connection = AsyncConnection[Any]
Pool = AsyncConnectionPool[Connection]

# Promises rest on these: without them a commit is not durable.
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
# With these a page that fails its checksum would be believed, or taken for an empty one.
BELIEVING = ("ignore_checksum_failure", "zero_damaged_pages")


class NotDurableError(RuntimeError):
    """The server is configured so that a commit can be lost, or damage believed."""


def make_pool(database_url: str, *, name: str, size: int = 4) -> Pool:
    """A closed pool; open it with `async with`. Connections are tried before use."""
    return AsyncConnectionPool(
        database_url,
        min_size=1,
        max_size=size,
        open=False,
        name=name,
        timeout=10.0,
        check=AsyncConnectionPool.check_connection,
        kwargs={"options": "-c timezone=UTC -c statement_timeout=30s", "application_name": name},
    )


@asynccontextmanager
async def listening(database_url: str, *channels: str) -> AsyncIterator[Connection]:
    """A connection of its own that listens; iterate `conn.notifies()`. NOTIFY only wakes."""
    conn = await AsyncConnection.connect(database_url, autocommit=True)
    try:
        for channel in channels:
            await conn.execute(f'LISTEN "{channel}"')
        yield conn
    finally:
        await conn.close()


async def assert_durable(conn: Connection) -> None:
    """Refuse to run on a server where a commit can be lost, or where damage is passed over.

    Without checksums at all the hub runs, and says so (hub.damage): nobody can turn them on while
    the server runs, and the storage below may have its own.
    """
    for setting in DURABLE:
        row = await (await conn.execute(f"SHOW {setting}")).fetchone()
        if row is None or row[0] in ("off", "local"):
            raise NotDurableError(f"{setting} is off: set it to on in postgresql.conf")
    for setting in BELIEVING:
        row = await (await conn.execute(f"SHOW {setting}")).fetchone()
        if row is None or row[0] != "off":
            raise NotDurableError(f"{setting} is on: set it to off in postgresql.conf")
