"""Monthly partitions, without TimescaleDB: there when needed, made once, whoever else writes."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from psycopg import AsyncConnection

from store import partition, reading
from store.failure import UnavailableError
from store.line import Line
from store.partition import Month, Partitions, month_of
from store.pool import Connection
from tests.store.series import AT, reading_row


@pytest.mark.parametrize(
    ("at", "month", "following"),
    [
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), (2026, 12), (2027, 1)),
        (datetime(2026, 1, 1, tzinfo=UTC), (2026, 1), (2026, 2)),
        (datetime.fromisoformat("2026-03-01T07:00:00+08:00"), (2026, 2), (2026, 3)),
    ],
)
def test_a_month_is_a_month_in_utc(
    at: datetime, month: tuple[int, int], following: tuple[int, int]
) -> None:
    """The year ends in December; a zone does not move the border."""
    assert month_of(at) == month
    assert month_of(at).following == following
    assert month_of(at).first <= at < month_of(at).following.first


async def test_asked_once_a_month(native_conn: Connection) -> None:
    """What was made is not asked for again; the other table has months of its own."""
    partitions = Partitions()
    assert partitions.missing("reading", [AT, AT + timedelta(days=40)]) == {(2026, 3), (2026, 4)}
    await partitions.ensure(native_conn, "reading", [month_of(AT)])
    assert partitions.missing("reading", [AT]) == set()
    assert partitions.missing("block", [AT]) == {(2026, 3)}
    partitions.forget()
    assert partitions.missing("reading", [AT]) == {(2026, 3)}


async def test_many_writers_at_once(native_conn: Connection, native_database_url: str) -> None:
    """Six writers that all need the same new months, while another one is writing: each month is
    there once, nobody fails, nobody waits for the writer."""
    months = [Month((2025, m)) for m in range(1, 7)]
    await Partitions().ensure(native_conn, "reading", [month_of(AT)])

    async def ensure() -> None:
        async with await AsyncConnection.connect(native_database_url, autocommit=True) as line:
            await Partitions().ensure(line, "reading", months)

    async with asyncio.timeout(20), native_conn.transaction():
        await reading.write(native_conn, [reading_row()])
        await asyncio.gather(*(ensure() for _ in range(6)))
    assert await partition.months(native_conn, "reading") == [*months, month_of(AT)]


async def test_old_months_are_dropped_whole(native_conn: Connection) -> None:
    """Only months that have ended by then go."""
    months = [Month((2025, 11)), Month((2025, 12)), Month((2026, 1))]
    await Partitions().ensure(native_conn, "reading", months)
    dropped = await partition.drop_before(native_conn, "reading", datetime(2026, 1, 15, tzinfo=UTC))
    assert dropped == months[:2]
    assert await partition.months(native_conn, "reading") == months[2:]


async def test_a_missing_month_is_no_fault_of_the_row(native_database_url: str) -> None:
    """When somebody dropped the month, the writer must try again, not refuse the reading."""
    line = Line(native_database_url, name="test")

    async def write() -> None:
        async with line.transaction() as conn:
            await reading.write(conn, [reading_row()])

    with pytest.raises(UnavailableError, match="partition"):
        await write()
    await line.close()
