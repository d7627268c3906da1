"""Does the database take a commit, has it room, and are its pages whole? Asked by the hub's
watches, over connections of their own."""

import asyncio
from typing import NamedTuple

import psycopg
from psycopg import AsyncConnection

from store.named import queries

_SQL = queries("health")
# Class 53 is about what the server has too little of; 53300 is connections, which say nothing.
_NO_ROOM = "53"
_NO_CONNECTION = "53300"


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


async def has_room(database_url: str, *, timeout_s: float = 3.0) -> bool | None:
    """Whether the server has room on its disk, and memory; None when it does not say within the
    time."""
    try:
        async with asyncio.timeout(timeout_s):
            async with await AsyncConnection.connect(
                database_url, autocommit=True, options="-c work_mem=64kB"
            ) as conn:
                await conn.execute(_SQL["room"])
    except psycopg.Error as error:
        state = error.sqlstate or ""
        return False if state.startswith(_NO_ROOM) and state != _NO_CONNECTION else None
    except (OSError, TimeoutError):
        return None
    return True
