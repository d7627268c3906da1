"""Refused messages somebody wants taken again: which, and what became of them.

Asked for by `store.reject_query`. A row that carries a message is locked, taken and noted in one
transaction; whoever dies in the middle has done nothing.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection
from store.reject import clean

_SQL = queries("replay")

CHANNEL = "replay"


class Kept(Struct, frozen=True, kw_only=True):
    """A message as it was kept: the reject's own number, and what came when and where."""

    id: int
    received_at: datetime
    topic: str
    payload: bytes


class Result(Struct, frozen=True):
    """What became of one."""

    id: int
    result: str


async def waiting(conn: Connection, *, limit: int) -> list[Kept]:
    """What is to be taken again, in the order it was asked for."""
    async with conn.cursor(row_factory=class_row(Kept)) as cursor:
        await cursor.execute(_SQL["waiting"], {"limit": limit})
        return await cursor.fetchall()


async def hold(conn: Connection, ids: Sequence[int]) -> set[int]:
    """Which of these still wait; nobody else takes them until the transaction ends."""
    cursor = await conn.execute(_SQL["hold"], {"ids": list(ids)})
    return {int(row[0]) for row in await cursor.fetchall()}


async def note(conn: Connection, results: Sequence[Result], *, now: datetime) -> None:
    """Note what became of them. Part of the transaction that took them."""
    values = {
        "ids": [one.id for one in results],
        "results": [clean(one.result) for one in results],
        "now": now,
    }
    await conn.execute(_SQL["note"], values)


async def born_at(conn: Connection, node_ids: Collection[str]) -> dict[str, datetime]:
    """When these nodes last described themselves, of those that did."""
    cursor = await conn.execute(_SQL["born_at"], {"node_id": list(node_ids)})
    return {str(node_id): at for node_id, at in await cursor.fetchall()}
