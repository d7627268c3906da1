"""Monthly partitions of the series tables, made before the first row of a month is written.

Whoever writes calls `Partitions.ensure`. TimescaleDB makes its own chunks: there it does nothing.
Whatever else depends on how a table is cut is behind store.series.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, Literal

from store.ends import Ends
from store.named import queries
from store.pool import Connection

_SQL = queries("partition")

Series = Literal["reading", "block"]


class Month(tuple[int, int]):
    """A calendar month in UTC, as (year, month)."""

    __slots__ = ()

    @property
    def first(self) -> datetime:
        """The first instant of the month."""
        return datetime(self[0], self[1], 1, tzinfo=UTC)

    @property
    def following(self) -> "Month":
        """The month after."""
        return Month((self[0] + self[1] // 12, self[1] % 12 + 1))

    def partition_of(self, parent: str) -> str:
        """The name of the month's partition of a table."""
        return f"{parent}_{self[0]:04d}_{self[1]:02d}"


def month_of(at: datetime) -> Month:
    """The month an instant lies in."""
    utc = at.astimezone(UTC)
    return Month((utc.year, utc.month))


class Partitions:
    """Remembers which months are there, so that a writer asks the database once a month; and, in
    `ends`, until when dense series are stored."""

    _LIMIT: Final = 10_000

    def __init__(self) -> None:
        self.ends = Ends()
        self._known: set[tuple[str, Month]] = set()

    def missing(self, parent: Series, instants: Iterable[datetime]) -> set[Month]:
        """The months of these instants that were not seen yet."""
        return self.absent(parent, {month_of(at) for at in instants})

    def absent(self, parent: Series, months: Iterable[Month]) -> set[Month]:
        """Those of these months that were not seen yet."""
        return {month for month in months if (parent, month) not in self._known}

    async def ensure(self, conn: Connection, parent: Series, months: Iterable[Month]) -> None:
        """Make these months; in a transaction of their own, before the rows are written.

        Safe with any number of writers at once.
        """
        wanted = sorted(set(months))
        async with conn.transaction():
            if await _is_partitioned(conn, parent):
                await conn.execute(_SQL["lock"])
                for month in wanted:
                    await _make(conn, parent, month)
        if len(self._known) > self._LIMIT:
            self._known.clear()
        self._known.update((parent, month) for month in wanted)

    def forget(self) -> None:
        """After a partition turned out to be missing: ask again."""
        self._known.clear()


async def _is_partitioned(conn: Connection, parent: Series) -> bool:
    row = await (await conn.execute(_SQL["is_partitioned"], {"parent": parent})).fetchone()
    return row is not None and bool(row[0])


async def _make(conn: Connection, parent: Series, month: Month) -> None:
    values = {
        "parent": parent,
        "name": month.partition_of(parent),
        "first": month.first,
        "next": month.following.first,
    }
    if await _run(conn, "create", values):
        await _run(conn, "attach", values)


async def _run(conn: Connection, name: str, values: dict[str, Any]) -> bool:
    """Let the server write the statement (it quotes the names) and run it; False: nothing to do."""
    row = await (await conn.execute(_SQL[name], values)).fetchone()
    if row is None:
        return False
    await conn.execute(str(row[0]).encode())
    return True


async def months(conn: Connection, parent: Series) -> list[Month]:
    """The months a table has, oldest first."""
    cursor = await conn.execute(_SQL["months"], {"parent": parent})
    return [Month((int(name[-7:-3]), int(name[-2:]))) for (name,) in await cursor.fetchall()]


async def drop_before(conn: Connection, parent: Series, before: datetime) -> list[Month]:
    """Drop every month that ended by then, with its rows; which they were."""
    async with conn.transaction():
        await conn.execute(_SQL["lock"])
        over = [m for m in await months(conn, parent) if m.following.first <= before]
        for month in over:
            await _run(conn, "drop", {"name": month.partition_of(parent)})
    return over
