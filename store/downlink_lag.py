"""What waits on its way to devices, for who watches from outside."""

from datetime import datetime
from typing import NamedTuple

from store.named import queries
from store.pool import Connection

_SQL = queries("downlink_lag")


class Waiting(NamedTuple):
    """So many of one kind (command, message, plan; or commands sent and unanswered), and the age
    of the oldest in seconds."""

    what: str
    number: int
    oldest_s: float


async def waiting(conn: Connection, *, now: datetime) -> list[Waiting]:
    """One for each kind."""
    cursor = await conn.execute(_SQL["waiting"], {"now": now})
    return [
        Waiting(what, int(n), 0.0 if since is None else max(0.0, (now - since).total_seconds()))
        for what, n, since in await cursor.fetchall()
    ]
