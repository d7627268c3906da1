"""Credentials of nodes at the broker, and how far the broker has taken them over."""

from datetime import datetime

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection
from store.refused import in_words

_SQL = queries("credential")


class Credential(Struct, frozen=True, kw_only=True):
    """One line of the broker's password file."""

    node_id: str
    password_hash: str


class Revision(Struct, frozen=True, kw_only=True):
    """The newest change of the credentials, and the one the broker has taken over."""

    wanted: int
    applied: int


async def set_password(
    conn: Connection, *, node_id: str, password_hash: str, now: datetime
) -> None:
    """Give a node its password (hash in Mosquitto's format), also after a revocation."""
    values = {"node_id": node_id, "password_hash": password_hash, "now": now}
    with in_words():
        await conn.execute(_SQL["set_password"], values)


async def revoke(conn: Connection, *, node_id: str, now: datetime) -> bool:
    """Let a node connect no more; whether it could."""
    cursor = await conn.execute(_SQL["revoke"], {"node_id": node_id, "now": now})
    return cursor.rowcount == 1


async def live(conn: Connection) -> list[Credential]:
    """Every node that may connect."""
    async with conn.cursor(row_factory=class_row(Credential)) as cursor:
        await cursor.execute(_SQL["live"])
        return await cursor.fetchall()


async def has_password(conn: Connection, node_id: str) -> bool:
    """Whether a node may connect with a password."""
    cursor = await conn.execute(_SQL["has_password"], {"node_id": node_id})
    return bool((await cursor.fetchall())[0][0])


async def revision(conn: Connection) -> Revision:
    """How far the broker is behind."""
    async with conn.cursor(row_factory=class_row(Revision)) as cursor:
        await cursor.execute(_SQL["revision"])
        return (await cursor.fetchall())[0]


async def note_applied(conn: Connection, *, revision: int, now: datetime) -> None:
    """Note that the broker has taken over everything up to this change."""
    await conn.execute(_SQL["note_applied"], {"revision": revision, "now": now})
