"""How quickly receipts go out when very many ask at once, and who waits for whom."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ingest.entry import Entry, Outcome
from ingest.health import Health
from ingest.mqtt_session import Arrival
from ingest.receipt import Receipts, page_after
from runtime.clock import SystemClock
from store.line import Line
from store.message import Key
from store.pool import Connection
from tests.ingest.conftest import until
from tests.ingest.test_receipts_bounded import AT


def asks(node: str, seq: int = 0) -> Outcome:
    """A message that was stored and asks for a receipt."""
    arrival = Arrival(f"hh/1/up/{node}/obs", b"", AT)
    key = Key(node, 1, seq)
    return Outcome(Entry(arrival=arrival, node=node, kind="obs", key=key, receipt=True), fresh=True)


class CountingLine(Line):
    """Counts how often the database is asked, and asks it only while it may."""

    trips = 0
    may = asyncio.Event()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """As the line's."""
        self.trips += 1
        await self.may.wait()
        async with super().transaction() as conn:
            yield conn


@pytest.fixture
async def line(database_url: str) -> AsyncIterator[CountingLine]:
    """A line that may be used."""
    made = CountingLine(database_url, name="test")
    made.may = asyncio.Event()
    made.may.set()
    yield made
    await made.close()


@asynccontextmanager
async def at_work(line: Line, *, every_s: float) -> AsyncIterator[tuple[Receipts, list[str]]]:
    """Receipts that run, and whom they told."""
    told: list[str] = []

    def send(topic: str, payload: bytes) -> bool:
        assert json.loads(payload)["rcpt"]["boot"] == 1
        told.append(topic.split("/")[3])
        return True

    receipts = Receipts(
        line,
        send,
        clock=SystemClock(),
        monotonic=time.monotonic,
        every_s=every_s,
        health=Health(time.monotonic),
    )
    task = asyncio.create_task(receipts.run())
    try:
        yield receipts, told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_province_that_starts_is_read_in_few_pages(line: CountingLine) -> None:
    """Two thousand nodes at once: not two hundred trips to the database, one after the other."""
    nodes = [f"nodenumber{n}" for n in range(2000)]
    # So patient that also a busy machine is quick.
    async with at_work(line, every_s=20.0) as (receipts, told):
        receipts.note([asks(node) for node in nodes])
        await until(lambda: len(set(told)) == len(nodes))
    assert line.trips <= 10


async def test_who_is_known_does_not_wait_for_strangers(line: CountingLine) -> None:
    """While the database is asked for one node, another one's receipt goes out."""
    async with at_work(line, every_s=0.05) as (receipts, told):
        receipts.note([asks("nodeknown01")])
        await until(lambda: told)
        line.may.clear()
        await asyncio.sleep(0.1)
        receipts.note([asks("stranger001"), asks("nodeknown01", 1)])
        await until(lambda: told.count("nodeknown01") == 2)
        assert "stranger001" not in told
        line.may.set()
        await until(lambda: "stranger001" in told)


def test_a_page_grows_while_it_is_quick_and_shrinks_when_it_is_not() -> None:
    """Between ten and two thousand; a slow one is followed by a quarter."""
    size = 10
    sizes = [size := page_after(size, 0.01, 1.0) for _ in range(6)]
    assert sizes == [40, 160, 640, 2000, 2000, 2000]
    assert page_after(640, 0.5, 1.0) == 640
    assert page_after(640, 1.5, 1.0) == 160
    assert page_after(10, 30.0, 1.0) == 10
