"""Rotations: new credentials for nodes, step by step, as far as they have come."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection
from store.refused import in_words

_SQL = queries("rotation")


class UnderWay(Struct, frozen=True, kw_only=True):
    """One rotation and how its last command was answered; `answer` None: there is none yet."""

    id: int
    node_id: str
    at_once: bool
    step: str
    asked_at: datetime
    command_id: str | None
    password_hash: str | None
    certificate: str | None
    answer: str | None
    out: dict[str, Any] | None


async def ask(
    conn: Connection, *, node_id: str, asked_by: str, at_once: bool, now: datetime
) -> int:
    """Ask for new credentials of a node; one that is under way goes on. Returns its id.

    `at_once`: the old certificate ends as soon as the new one is there.
    """
    values = {"node_id": node_id, "asked_by": asked_by, "at_once": at_once, "now": now}
    with in_words():
        cursor = await conn.execute(_SQL["ask"], values)
    return int((await cursor.fetchall())[0][0])


async def under_way(conn: Connection, *, limit: int = 200) -> list[UnderWay]:
    """Every rotation that has not ended, the oldest first."""
    async with conn.cursor(row_factory=class_row(UnderWay)) as cursor:
        await cursor.execute(_SQL["under_way"], {"limit": limit})
        return await cursor.fetchall()


async def move(
    conn: Connection,
    rotation_id: int,
    *,
    step: str,
    command_id: str,
    password_hash: str | None = None,
    certificate: str | None = None,
) -> None:
    """Take the next step: it waits for the answer to this command."""
    values = {
        "rotation_id": rotation_id,
        "step": step,
        "command_id": command_id,
        "password_hash": password_hash,
        "certificate": certificate,
    }
    await conn.execute(_SQL["move"], values)


async def end(
    conn: Connection, rotation_id: int, *, step: str, why: str | None = None, now: datetime
) -> None:
    """It is `done`, or `failed` for this reason."""
    values = {"rotation_id": rotation_id, "step": step, "why": why, "now": now}
    await conn.execute(_SQL["end"], values)


async def wipe(conn: Connection, command_id: str) -> None:
    """Remove what a command carried."""
    await conn.execute(_SQL["wipe"], {"command_id": command_id})


async def due(
    conn: Connection, *, now: datetime, not_since: datetime, limit: int = 100
) -> list[str]:
    """Nodes whose certificate is to be renewed, unless one was asked since `not_since`."""
    values = {"now": now, "not_since": not_since, "limit": limit}
    return [
        str(node_id) for (node_id,) in await (await conn.execute(_SQL["due"], values)).fetchall()
    ]
