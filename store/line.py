"""A line to PostgreSQL: the one connection of one writer, opened again after it broke.

A pool is for requests that come and go. A writer that must notice an outage, hold what it has
and go on by itself the moment the server is back, wants its own connection and its own timing.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus

from store.failure import UnavailableError, told_apart
from store.pool import Connection

# A process that is frozen in the middle of a transaction must not hold up the others for ever.
# A receipt follows the commit, so a commit waits for the disk, whatever the server is set to.
_OPTIONS = (
    "-c timezone=UTC -c statement_timeout=30s -c lock_timeout=10s"
    " -c idle_in_transaction_session_timeout=20s -c synchronous_commit=on"
)


class Line:
    """One connection, used by one task at a time. `admit` is asked once for each that is opened:
    what it raises, the caller gets, and the connection is closed."""

    def __init__(
        self,
        database_url: str,
        *,
        name: str,
        limit_s: float = 40.0,
        admit: Callable[[Connection], Awaitable[None]] | None = None,
    ) -> None:
        self._url = database_url
        self._name = name
        self._limit_s = limit_s
        self._admit = admit
        self._conn: AsyncConnection[Any] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction: committed at the end of the block, rolled back when it raises.

        Raises UnavailableError or UnstorableError for what the database raised. After the
        former it is unknown whether the block was committed: only idempotent work belongs here.
        """
        with told_apart():
            try:
                async with asyncio.timeout(self._limit_s):
                    conn = await self._opened()
                    async with conn.transaction():
                        yield conn
            except BaseException:
                await self._drop_if_broken()
                raise

    @asynccontextmanager
    async def statements(self) -> AsyncIterator[Connection]:
        """The connection outside a transaction: each statement is one of its own. Raises what
        `transaction` raises."""
        with told_apart():
            try:
                async with asyncio.timeout(self._limit_s):
                    yield await self._opened()
            except BaseException:
                await self._drop_if_broken()
                raise

    async def ping(self, limit_s: float) -> None:
        """Ask whether the database answers within so many seconds; raises UnavailableError."""
        with told_apart():
            try:
                async with asyncio.timeout(limit_s):
                    await (await self._opened()).execute("SELECT 1")
            except BaseException:
                await self._drop_if_broken()
                raise

    async def answers(self, limit_s: float) -> bool:
        """Whether the database answers within so many seconds."""
        try:
            await self.ping(limit_s)
        except UnavailableError:
            return False
        return True

    async def close(self) -> None:
        """Close the connection if there is one; the next transaction opens another."""
        conn, self._conn = self._conn, None
        if conn is not None:
            await conn.close()

    async def _opened(self) -> Connection:
        if self._conn is None or self._conn.closed:
            self._conn = await self._connected()
        return self._conn

    async def _connected(self) -> AsyncConnection[Any]:
        conn = await AsyncConnection.connect(
            self._url,
            autocommit=True,
            options=_OPTIONS,
            application_name=self._name,
            connect_timeout=5,
            tcp_user_timeout=10_000,
        )
        try:
            await self._demand_usable(conn)
        except BaseException:
            await conn.close()
            raise
        return conn

    async def _demand_usable(self, conn: Connection) -> None:
        if conn.pgconn.transaction_status != TransactionStatus.IDLE:
            raise UnavailableError("the connection is not ready")
        if self._admit is not None:
            await self._admit(conn)

    async def _drop_if_broken(self) -> None:
        conn = self._conn
        if conn is not None and conn.pgconn.transaction_status != TransactionStatus.IDLE:
            await self.close()
