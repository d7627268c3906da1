"""What is known of a node is believed until it is changed, and never for longer than before."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

import pytest
from psycopg import AsyncConnection

from ingest.decode import decode
from ingest.identify import Identifier
from ingest.identity_watch import DEAF, IdentityWatch
from ingest.mqtt_session import Arrival
from ingest.validate import validate
from runtime.clock import SystemClock
from store.identity import NodeIdentity
from store.line import Line
from store.pool import Connection
from tests.ingest.conftest import NODE, now_ms
from tests.ingest.conftest import until as _until

NEW: Final = "testnode9"
TTL_S: Final = 1.0


class Time:
    """Stands still unless it is told to go on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Known:
    """An identifier with its watch, in a time of their own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.time = Time()
        self.watch = IdentityWatch(TTL_S, self.time)
        self._line = Line(url, name="identify")
        self.identifier = Identifier(self._line, ttl_s=TTL_S, monotonic=self.time, watch=self.watch)

    def arrival(self, node: str = NODE) -> Arrival:
        """One blood pressure."""
        payload = (
            b'{"v":0,"boot":1,"seq":1,"t":%d,"clk":"ntp","ser":'
            b'[{"k":"bp","o":[0],"c":{"sys":[120],"dia":[80]}}]}'
        ) % now_ms()
        return Arrival(f"hh/1/up/{node}/obs", payload, SystemClock().now())

    async def node(self, node: str = NODE) -> NodeIdentity | None:
        """Whose usual messages go the short way; None: they do not."""
        await self.identifier.know([self.arrival(node)])
        way = self.identifier.ways.get(f"hh/1/up/{node}/obs")
        return way.node if way else None

    async def becomes(self, right: Callable[[NodeIdentity | None], object], node: str) -> None:
        """Wait until what is believed is right."""
        async with asyncio.timeout(30):
            while not right(await self.node(node)):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)

    async def hears(self) -> None:
        """Wait until the watch has heard everything up to now."""
        await _until(lambda: self.watch.hearing(self.time.now) != DEAF)

    async def close(self) -> None:
        """Close the line."""
        await self._line.close()


@pytest.fixture
async def deaf(people: Connection, database_url: str) -> AsyncIterator[Known]:
    """One whose watch is not running."""
    made = Known(database_url)
    yield made
    await made.close()


@contextlib.asynccontextmanager
async def _running(known: Known) -> AsyncIterator[None]:
    task = asyncio.create_task(known.watch.run(known.url))
    try:
        await known.hears()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def known(deaf: Known) -> AsyncIterator[Known]:
    """One that hears of changes."""
    async with _running(deaf):
        yield deaf


@contextlib.asynccontextmanager
async def _locked(url: str, table: str) -> AsyncIterator[Connection]:
    """Nobody can read the table meanwhile."""
    async with await AsyncConnection.connect(url) as other:
        await other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield other
        await other.rollback()


CHANGES: Final[dict[str, tuple[str, str, Callable[[NodeIdentity | None], object]]]] = {
    "binding changed": (
        "UPDATE device_binding SET patient_id = 3 WHERE device_id = 1",
        NODE,
        lambda node: node and node.devices[""].bindings[0].patient_id == 3,
    ),
    "binding gone": (
        "DELETE FROM device_binding WHERE device_id = 1",
        NODE,
        lambda node: node and not node.devices[""].bindings,
    ),
    "binding of another device": (
        "UPDATE device_binding SET device_id = 1 WHERE device_id = 2 AND who = 'A'",
        NODE,
        lambda node: node and len(node.devices[""].bindings) == 2,
    ),
    "device new": (
        "INSERT INTO device (node_id, dev) VALUES ('testnode1', 'scale')",
        NODE,
        lambda node: node and "scale" in node.devices,
    ),
    "device named": (
        "UPDATE device SET model = 'M3' WHERE id = 1",
        NODE,
        lambda node: node and node.devices[""].product.model == "M3",
    ),
    "firmware": (
        "UPDATE node SET firmware = '2.0' WHERE id = 'testnode1'",
        NODE,
        lambda node: node and node.product.firmware == "2.0",
    ),
    "revoked": (
        "UPDATE node SET revoked_at = now() WHERE id = 'testnode1'",
        NODE,
        lambda node: node is None,
    ),
    "developer mode": (
        "INSERT INTO node_config (node_id, dev_until) VALUES ('testnode1', '2200-01-01')",
        NODE,
        lambda node: node is None,
    ),
    "node new": (
        "INSERT INTO node (id, area_id) VALUES ('testnode9', 1)",
        NEW,
        lambda node: node is not None,
    ),
    "nothing left": ("TRUNCATE node CASCADE", NODE, lambda node: node is None),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_is_heard_of_while_time_stands_still(
    people: Connection, known: Known, change: str
) -> None:
    """No time passes, so what is believed for a time would be believed for ever."""
    statement, node, right = CHANGES[change]
    assert not right(await known.node(node))
    await people.execute(statement.encode())
    await known.becomes(right, node)


async def test_who_is_known_is_not_asked_for_again(known: Known, database_url: str) -> None:
    first = await known.node()
    known.time.now += 1000 * TTL_S
    await known.hears()
    async with _locked(database_url, "device_binding"), asyncio.timeout(20):
        assert await known.node() is first


async def test_where_nothing_is_heard_a_look_holds_for_its_time(
    people: Connection, deaf: Known
) -> None:
    first = await deaf.node()
    await people.execute(b"UPDATE device_binding SET patient_id = 3 WHERE device_id = 1")
    assert await deaf.node() is first
    known_for = deaf.time.now + TTL_S
    deaf.time.now = known_for
    node = await deaf.node()
    assert node is not None
    assert node.devices[""].bindings[0].patient_id == 3


async def test_a_silent_session_is_not_believed(people: Connection, deaf: Known) -> None:
    async with _running(deaf):
        assert await deaf.node()
    await people.execute(b"UPDATE device_binding SET patient_id = 3 WHERE device_id = 1")
    deaf.time.now += TTL_S
    node = await deaf.node()
    assert node is not None
    assert node.devices[""].bindings[0].patient_id == 3


async def test_what_an_ended_session_missed_is_found_out(people: Connection, known: Known) -> None:
    assert await known.node()
    await people.execute(b"ALTER TABLE device_binding DISABLE TRIGGER identity_changed")
    await people.execute(b"UPDATE device_binding SET patient_id = 3 WHERE device_id = 1")
    before = known.watch.hearing(known.time.now)
    ears = b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%SELECT 1'"
    ears += b" AND datname = current_database() AND pid <> pg_backend_pid()"
    assert (await people.execute(ears)).rowcount == 1
    await _until(lambda: known.watch.hearing(known.time.now) not in (DEAF, before))
    known.time.now += TTL_S
    node = await known.node()
    assert node is not None
    assert node.devices[""].bindings[0].patient_id == 3


async def _blocked(people: Connection, on: str) -> None:
    waiting = f"SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '{on}'::regclass"
    async with asyncio.timeout(30):
        while await _number(people, waiting) == 0:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


async def _number(conn: Connection, query: str) -> int:
    row = await (await conn.execute(query.encode())).fetchone()
    assert row is not None
    return int(row[0])


async def test_a_change_during_the_look_is_not_lost(
    people: Connection, known: Known, database_url: str
) -> None:
    """Bindings are read first: what is found of them is old when the node has been read."""
    heard = asyncio.Event()
    known.watch.tell(lambda _: heard.set())
    async with _locked(database_url, "node"):
        looking = asyncio.create_task(known.node())
        await _blocked(people, "node")
        await people.execute(b"UPDATE device_binding SET patient_id = 3 WHERE device_id = 1")
        async with asyncio.timeout(30):
            await heard.wait()
    await looking
    await known.becomes(lambda node: node and node.devices[""].bindings[0].patient_id == 3, NODE)


async def test_who_is_forgotten_in_the_middle_of_a_batch_is_no_stranger_in_it(
    people: Connection, known: Known, database_url: str
) -> None:
    """Between the look and the end of the batch pseudonyms are looked up."""
    payload = known.arrival().payload.replace(b'"o":', b'"who":"r:0000000000000001","o":')
    checked = validate(decode(Arrival(f"hh/1/up/{NODE}/obs", payload, SystemClock().now())))
    async with _locked(database_url, "patient"):
        entries = asyncio.create_task(known.identifier.identify([checked]))
        await _blocked(people, "patient")
        heard = asyncio.Event()
        known.watch.tell(lambda _: heard.set())
        await people.execute(b"UPDATE device_binding SET during = '[2021-01-01,)' WHERE id = 1")
        async with asyncio.timeout(30):
            await heard.wait()
    assert [entry.defects for entry in await entries] == [()]
