"""What is kept for how long. Readings are kept for ever; nothing younger than said here ever goes.

What is old is said by whoever calls: by a horizon (`store.horizon`), never straight by a clock that
may jump. Each step is a small transaction of its own, the same with and without TimescaleDB.
"""

from datetime import datetime, timedelta
from typing import Final

import psycopg
from msgspec import Struct

from store import feed, message, reject, series
from store.named import queries
from store.pool import Connection

_SQL = queries("retention")

MANY: Final = 10_000


class Kept(Struct, frozen=True, kw_only=True):
    """Days. Dense series go by whole months or weeks, so they stay up to that much longer.

    `reading_rows`, `block_rows`: so long after its end a stretch stays in rows, where TimescaleDB
    takes late ones fastest; then it becomes columns. `days_an_hour`: by so many days forgetting may
    go on in an hour, whatever a clock says.
    """

    blocks: int = 90
    waveforms: int = 365
    rejects: int = reject.KEPT_DAYS
    messages: int = message.KEPT_DAYS
    reading_rows: int = 30
    block_rows: int = 2
    days_an_hour: float = 1.0


async def forget(conn: Connection, what: str, *, before: datetime, limit: int = MANY) -> int:
    """Delete some `messages`, `rejects` or `waveforms` from before then; how many. Part of a
    transaction; fewer than `limit`: that was all."""
    return (await conn.execute(_SQL[what], {"before": before, "limit": limit})).rowcount


async def forget_blocks(conn: Connection, *, before: datetime) -> list[str]:
    """Drop the stretches of dense series that ended by then; which. Rather later than make a
    writer wait: nothing, when somebody is at them."""
    try:
        return [piece.name for piece in await series.drop_before(conn, "block", before)]
    except psycopg.errors.LockNotAvailable:
        return []


async def forget_feed(conn: Connection, *, now: datetime, limit: int = MANY) -> int:
    """Delete some of what the feed no longer has to keep, a week, and until everybody has read it;
    how many batches. Fewer than `limit`: that was all."""
    return await feed.prune(conn, now=now, limit=limit)


async def make_columns(conn: Connection, kept: Kept, *, now: datetime) -> str | None:
    """One stretch of a series that has become old into columns; which. None: nothing to do."""
    ages: tuple[tuple[series.Series, int], ...] = (
        ("reading", kept.reading_rows),
        ("block", kept.block_rows),
    )
    for table, days in ages:
        try:
            piece = await series.compress_before(conn, table, now - timedelta(days=days))
        except psycopg.errors.LockNotAvailable:
            continue
        if piece is not None:
            return piece.name
    return None
