"""The feed: exactly once, in commit order, with several writers."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from psycopg import AsyncConnection

from store import feed
from store.feed import BirthItem, ReadingItem
from store.pool import Connection, listening

AT = datetime(2026, 3, 4, tzinfo=UTC)


def birth(name: str) -> BirthItem:
    """Any item, told apart by its node."""
    return BirthItem(node_id=name, received_at=AT)


def names(batches: list[feed.Batch]) -> list[str]:
    """The nodes of all items in order."""
    return [
        item.node_id for batch in batches for item in batch.items if isinstance(item, BirthItem)
    ]


async def test_items_come_back_as_they_went(conn: Connection) -> None:
    """A reading survives the way through the feed with all its fields."""
    item = ReadingItem(
        change="inserted",
        device_id=7,
        node_id="testnode1",
        kind="bp",
        measured_at=AT,
        ordinal=-3,
        patient_id=None,
        values=(148.0, None, None, None),
        flags=5,
        clock="untrusted",
        received_at=AT,
        conflicting=True,
    )
    async with conn.transaction():
        await feed.append(conn, "ingest", [item])
    (batch,) = await feed.read_after(conn, 0)
    assert batch.items == [item]


async def test_nothing_to_say_appends_nothing(conn: Connection) -> None:
    """An empty batch leaves no row behind."""
    async with conn.transaction():
        assert await feed.append(conn, "ingest", []) is None
    assert await feed.read_after(conn, 0) == []


async def test_the_order_of_ids_is_the_order_of_commit(conn: Connection, database_url: str) -> None:
    """A writer that is slow to commit holds the next one back, so no reader can skip it."""
    async with (
        await AsyncConnection.connect(database_url, autocommit=True) as slow,
        await AsyncConnection.connect(database_url, autocommit=True) as fast,
    ):
        async with slow.transaction():
            await feed.append(slow, "ingest", [birth("first")])

            async def second() -> None:
                async with fast.transaction():
                    await feed.append(fast, "ingest", [birth("second")])

            waiting = asyncio.create_task(second())
            await asyncio.sleep(0.1)
            assert not waiting.done()
            assert await feed.read_after(conn, 0) == []
        await waiting
    assert names(await feed.read_after(conn, 0)) == ["first", "second"]


async def test_a_reader_misses_nothing_of_many_writers(conn: Connection, database_url: str) -> None:
    """While four writers append at once, a cursor that follows sees every item once, in order."""
    expected = {f"{writer}-{n}" for writer in range(4) for n in range(40)}

    async def write(writer: int) -> None:
        async with await AsyncConnection.connect(database_url, autocommit=True) as line:
            for n in range(40):
                async with line.transaction():
                    await feed.append(line, "ingest", [birth(f"{writer}-{n}")])

    seen: list[str] = []

    async def read() -> None:
        while len(seen) < len(expected):
            async with conn.transaction():
                position = await feed.position(conn, "test")
                batches = await feed.read_after(conn, position, limit=3)
                seen.extend(names(batches))
                if batches:
                    await feed.move(conn, "test", batches[-1].id)
            await asyncio.sleep(0)

    async with asyncio.timeout(20):
        await asyncio.gather(read(), *(write(writer) for writer in range(4)))
    assert sorted(seen) == sorted(expected)
    for writer in range(4):
        own = [name for name in seen if name.startswith(f"{writer}-")]
        assert own == [f"{writer}-{n}" for n in range(40)]


async def test_a_consumer_takes_in_only_so_many_items_at_once(conn: Connection) -> None:
    """Big batches come one by one, small ones together; none is left out."""
    for n in range(6):
        async with conn.transaction():
            await feed.append(conn, "ingest", [birth(f"{n}-{k}") for k in range(4)])
    sizes, position = [], 0
    while batches := await feed.read_after(conn, position, items=6):
        sizes.append(len(batches))
        position = batches[-1].id
    assert sizes == [2, 2, 2]
    assert len(await feed.read_after(conn, 0, items=1)) == 1


async def test_the_cursor_moves_only_with_the_work(conn: Connection) -> None:
    """A consumer that fails sees the same batch again; it never moves back."""
    async with conn.transaction():
        batch = await feed.append(conn, "ingest", [birth("one")])
    assert batch is not None

    async def fail() -> None:
        async with conn.transaction():
            await feed.position(conn, "test")
            await feed.move(conn, "test", batch)
            raise RuntimeError("failed")

    with pytest.raises(RuntimeError, match="failed"):
        await fail()
    assert await feed.position(conn, "test") == 0
    await feed.move(conn, "test", batch)
    await feed.move(conn, "test", batch - 1)
    assert await feed.position(conn, "test") == batch


async def test_a_commit_wakes_the_readers(conn: Connection, database_url: str) -> None:
    """NOTIFY comes with the commit."""
    async with listening(database_url, "feed") as listener:
        async with conn.transaction():
            await feed.append(conn, "ingest", [birth("one")])
        async with asyncio.timeout(5):
            async for notice in listener.notifies():
                assert notice.channel == "feed"
                break


async def test_pruning_waits_for_the_slowest(conn: Connection) -> None:
    """A week-old batch goes only when every consumer has passed it."""
    for name in ("one", "two"):
        async with conn.transaction():
            await feed.append(conn, "ingest", [birth(name)])
    first, second = await feed.read_after(conn, 0)
    old = datetime.now(UTC) - timedelta(days=8)
    await conn.execute("UPDATE batch SET committed_at = %s", (old,))
    await feed.position(conn, "fast")
    await feed.position(conn, "slow")
    await feed.move(conn, "fast", second.id)
    now = datetime.now(UTC)
    assert await feed.prune(conn, now=now, limit=10) == 0
    await feed.move(conn, "slow", first.id)
    assert await feed.prune(conn, now=now - timedelta(days=2), limit=10) == 0
    assert await feed.prune(conn, now=now, limit=10) == 1
    assert names(await feed.read_after(conn, 0)) == ["two"]
