"""Nodes: the gateways and robots that publish, with what they last said of themselves."""

import secrets
from datetime import datetime

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection
from store.refused import in_words

_SQL = queries("node")


_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
ID_LENGTH = 12


def new_id() -> str:
    """A random id for a new node, 62 bits: nobody names or guesses one."""
    return "".join(secrets.choice(_LETTERS) for _ in range(ID_LENGTH))


class Node(Struct, frozen=True, kw_only=True):
    """One node. `state` and `seen_at` are what it or its will last said; None before that.

    The state of a node out of use is `revoked`, whatever it said last.
    """

    id: str
    area_id: int
    household_id: int | None
    label: str
    maker: str | None
    model: str | None
    firmware: str | None
    birth_at: datetime | None
    created_at: datetime
    revoked_at: datetime | None
    state: str | None
    seen_at: datetime | None
    plan_revision: int | None


async def add(
    conn: Connection,
    *,
    node_id: str,
    area_id: int,
    household_id: int | None,
    label: str,
    now: datetime,
) -> None:
    """Add a node; it may publish once it has a credential. Raises RefusedByRuleError."""
    values = {
        "node_id": node_id,
        "area_id": area_id,
        "household_id": household_id,
        "label": label,
        "now": now,
    }
    with in_words():
        await conn.execute(_SQL["add"], values)


async def find(conn: Connection, node_id: str) -> Node | None:
    """One node whoever asks; for the administration only."""
    async with conn.cursor(row_factory=class_row(Node)) as cursor:
        await cursor.execute(_SQL["find"], {"node_id": node_id})
        return await cursor.fetchone()


async def find_visible(conn: Connection, *, node_id: str, staff_id: int) -> Node | None:
    """One node if in this person's scope; None alike for no node and for somebody else's."""
    async with conn.cursor(row_factory=class_row(Node)) as cursor:
        await cursor.execute(_SQL["find_visible"], {"node_id": node_id, "staff_id": staff_id})
        return await cursor.fetchone()


async def every(conn: Connection) -> list[Node]:
    """All nodes; for the administration only."""
    async with conn.cursor(row_factory=class_row(Node)) as cursor:
        await cursor.execute(_SQL["every"])
        return await cursor.fetchall()


async def visible(conn: Connection, *, staff_id: int) -> list[Node]:
    """The nodes in this person's scope."""
    async with conn.cursor(row_factory=class_row(Node)) as cursor:
        await cursor.execute(_SQL["visible"], {"staff_id": staff_id})
        return await cursor.fetchall()


async def revoke(conn: Connection, *, node_id: str, now: datetime) -> bool:
    """Take a node out of service; whether it was in service."""
    cursor = await conn.execute(_SQL["revoke"], {"node_id": node_id, "now": now})
    return cursor.rowcount == 1
