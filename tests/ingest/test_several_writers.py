"""Several writers on one session, slow at random, cut and killed: the feed stays exact."""

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection

from ingest.measured import measured
from store import feed
from store.pool import Connection
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import Device, until, until_count
from tests.ingest.processes import Load, several

pytestmark = pytest.mark.loop

# A writer is held up before it writes rows, before its batch gets its place in the feed, and after
# that; each for up to so many milliseconds, seldom for long.
_SLOW = """
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_sleep(random() ^ 3 * {ms} / 1000.0); RETURN NULL;
END $$;
CREATE TRIGGER dawdle AFTER INSERT ON {rows} FOR EACH STATEMENT EXECUTE FUNCTION dawdle();
CREATE TRIGGER dawdle_first BEFORE INSERT ON batch FOR EACH STATEMENT EXECUTE FUNCTION dawdle();
CREATE TRIGGER dawdle_last AFTER INSERT ON batch FOR EACH STATEMENT EXECUTE FUNCTION dawdle();
"""


class Consumer:
    """A consumer of the feed as the contract says: position, read, work, move, commit."""

    def __init__(self, url: str, name: str, rand: random.Random) -> None:
        self.batches: list[int] = []
        self.values: list[tuple[str, object]] = []
        self._url, self._name, self._rand = url, name, rand

    async def follow(self) -> None:
        """Until cancelled; sometimes its own work fails, and it begins again."""
        async with await AsyncConnection.connect(self._url, autocommit=True) as conn:
            while True:
                with contextlib.suppress(RuntimeError):
                    await self._turn(conn)
                await asyncio.sleep(self._rand.uniform(0, 0.03))

    async def _turn(self, conn: Connection) -> None:
        async with conn.transaction():
            position = await feed.position(conn, self._name)
            found = await feed.read_after(conn, position, limit=self._rand.randint(1, 5))
            if not found:
                return
            await feed.move(conn, self._name, found[-1].id)
            if self._rand.random() < 0.2:
                raise RuntimeError("failed at its work")
        for batch in found:
            self.batches.append(batch.id)
            for item in batch.items:
                assert isinstance(item, feed.ReadingItem)
                self.values.append((item.change, item.measured_at))


@contextlib.asynccontextmanager
async def following(consumer: Consumer) -> AsyncIterator[None]:
    """The consumer, at work."""
    task = asyncio.create_task(consumer.follow())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def cut_somebody(conn: Connection, rand: random.Random) -> None:
    """End one of the writers' sessions, in whatever it is doing."""
    await conn.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name LIKE 'hearthbeat ingest write%%'"
        " ORDER BY md5(pid::text || %s) LIMIT 1",
        (str(rand.random()),),
    )


@pytest.mark.parametrize("writers", [2, 4])
async def test_the_feed_misses_nothing_and_repeats_nothing(
    device: Device,
    people: Connection,
    broker: LiveBroker,
    database_url: str,
    tmp_path: Path,
    writers: int,
) -> None:
    """Slow writers, sessions that are cut, a process that is killed: a consumer that follows all
    the while, by the calls the alert engine uses, gets every reading once, in order of commit."""
    rand = random.Random(20260300 + writers)
    await people.execute(_SLOW.format(ms=60, rows="message").encode())
    more = {
        "HEARTHBEAT_INGEST_WRITERS": str(writers),
        "HEARTHBEAT_INGEST_BATCH_MESSAGES": "20",
        "HEARTHBEAT_INGEST_LEASE_GONE_S": "1",
    }
    consumer = Consumer(database_url, "test", rand)
    url = broker.url("hub-ingest")
    with several(2, database_url, url, tmp_path, **more) as both:
        async with following(consumer):
            await until(lambda: "ready" in device.statuses())
            async with Load(device, per_s=200) as load:
                for n in range(24):
                    await asyncio.sleep(rand.uniform(0.05, 0.4))
                    await cut_somebody(people, rand)
                    if n == 12:
                        both[0].send(signal.SIGKILL)
            await until_count(people, "reading", load.sent, 90.0)
            await until(lambda: len(consumer.values) >= load.sent, 60.0)
        await until(lambda: load.receipted() == load.sent - 1)
    assert len(consumer.values) == len(set(consumer.values)) == load.sent
    assert {change for change, _ in consumer.values} == {"inserted"}
    assert consumer.batches == sorted(set(consumer.batches))
    await in_the_order_of_commit(people, consumer.batches)


async def in_the_order_of_commit(conn: Connection, followed: list[int]) -> None:
    """What was followed is what is kept, and later in the feed is never earlier in time."""
    cursor = await conn.execute("SELECT id, committed_at FROM batch ORDER BY id")
    rows = await cursor.fetchall()
    assert [number for number, _ in rows] == followed
    times = [at for _, at in rows]
    assert times == sorted(times)


# The writer takes the patient, then the area; somebody else the other way round.
_CROSSING = """
CREATE FUNCTION crossing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM FROM patient WHERE id = 1 FOR UPDATE;
    PERFORM FROM area WHERE id = 1 FOR UPDATE;
    RETURN NULL;
END $$;
CREATE TRIGGER crossing AFTER INSERT ON message FOR EACH STATEMENT EXECUTE FUNCTION crossing();
"""


async def until_the_writer_waits(conn: Connection) -> None:
    """For a lock that somebody else holds."""
    while True:
        cursor = await conn.execute(
            "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database()"
            " AND application_name LIKE 'hearthbeat ingest write%'"
        )
        if cursor.rowcount:
            return
        await asyncio.sleep(0.01)


async def cross(conn: Connection, other: Connection, device: Device, n: int) -> bool:
    """Lock what the writer wants, then what it has; whether the writer was the victim."""
    try:
        async with other.transaction():
            await other.execute("SELECT FROM area WHERE id = 1 FOR UPDATE")
            device.pressure(120 + n)
            async with asyncio.timeout(20):
                await until_the_writer_waits(conn)
            # PostgreSQL asks who began to wait first, after a second.
            await other.execute("SELECT FROM patient WHERE id = 1 FOR UPDATE")
    except psycopg.errors.DeadlockDetected:
        return False
    return True


async def test_a_deadlock_is_tried_again(
    device: Device, people: Connection, database_url: str, ingest: None
) -> None:
    """PostgreSQL chooses the writer as the victim (40P01): the batch is written after all, once."""
    await people.execute(_CROSSING.encode())
    async with await AsyncConnection.connect(database_url, autocommit=True) as other:
        for n in range(10):
            if await cross(people, other, device, n):
                break
        else:
            pytest.fail("never the writer")
    await until_count(people, "reading", n + 1)
    await until(lambda: {"boot": 1, "upto": n} in device.receipts())
    cursor = await people.execute("SELECT sum(items) FROM batch")
    assert await cursor.fetchone() == (n + 1,)
    retried = measured().retries.collect()[0].samples
    assert sum(sample.value for sample in retried if sample.name.endswith("_total")) > 0
