"""Does the database take a commit, and are its pages whole? Asked by the hub's watches, over
connections of their own."""

import asyncio
from typing import NamedTuple

import psycopg
from psycopg import AsyncConnection

from store.named import queries

_SQL = queries("health")


class Pages(NamedTuple):
    """Whether pages have checksums, and how often one did not match (a crash forgets it)."""

    checked: bool
    failures: int


async def takes_commits(database_url: str, *, timeout_s: float = 3.0) -> bool:
    """Whether a new session can commit something durably within the time."""
    try:
        async with asyncio.timeout(timeout_s):
            async with await AsyncConnection.connect(database_url, autocommit=True) as conn:
                await conn.execute(_SQL["durable_commit"])
    except (psycopg.Error, OSError, TimeoutError):
        return False
    return True


async def pages(database_url: str, *, timeout_s: float = 3.0) -> Pages | None:
    """What the server knows of its pages; None when it does not say within the time."""
    try:
        async with asyncio.timeout(timeout_s):
            async with await AsyncConnection.connect(database_url, autocommit=True) as conn:
                row = await (await conn.execute(_SQL["pages"])).fetchone()
    except (psycopg.Error, OSError, TimeoutError):
        return None
    return None if row is None else Pages(bool(row[0]), int(row[1]))
