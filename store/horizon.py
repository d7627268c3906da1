"""The horizon of retention: up to when time is believed to have passed, durable, one for a hub."""

from datetime import datetime

from store.named import queries
from store.pool import Connection

_SQL = queries("horizon")


async def reached(conn: Connection, *, otherwise: datetime) -> datetime:
    """How far it is; begins with `otherwise` where there is none. Held until the transaction
    ends."""
    await conn.execute(_SQL["start"], {"reached": otherwise})
    row = await (await conn.execute(_SQL["reached"])).fetchone()
    return row[0] if row else otherwise


async def move(conn: Connection, to: datetime) -> None:
    """Move it forward, never back. Part of the transaction that read it."""
    await conn.execute(_SQL["move"], {"reached": to})
