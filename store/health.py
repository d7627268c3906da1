"""Does the database take a commit? Asked by the watch, over a connection of its own."""

import asyncio

import psycopg
from psycopg import AsyncConnection

from store.named import queries

_SQL = queries("health")


async def takes_commits(database_url: str, *, timeout_s: float = 3.0) -> bool:
    """Whether a new session can commit something durably within the time."""
    try:
        async with asyncio.timeout(timeout_s):
            async with await AsyncConnection.connect(database_url, autocommit=True) as conn:
                await conn.execute(_SQL["durable_commit"])
    except (psycopg.Error, OSError, TimeoutError):
        return False
    return True
