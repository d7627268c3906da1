"""How far the consumers of the feed are behind, for who watches from outside."""

from typing import Final, NamedTuple

from store.named import queries
from store.pool import Connection

_SQL = queries("feed_lag")

# Counting further costs time and says no more.
MOST: Final = 10_000


class Lag(NamedTuple):
    """One consumer: batches it has not taken, at most MOST, and the age of the oldest of them."""

    consumer: str
    batches: int
    seconds: float


async def lags(conn: Connection) -> list[Lag]:
    """Of every consumer there is."""
    cursor = await conn.execute(_SQL["lag"], {"limit": MOST})
    return [Lag(name, int(n), max(0.0, float(s))) for name, n, s in await cursor.fetchall()]


async def anything(conn: Connection, consumer: str) -> bool:
    """Whether a consumer has something to take. Asked first, an idle consumer writes nothing."""
    row = await (await conn.execute(_SQL["anything"], {"consumer": consumer})).fetchone()
    return row is not None and bool(row[0])
