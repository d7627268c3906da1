"""What receipts remember is bounded, whatever a node counts, and no odd one makes others wait."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.entry import Entry, Outcome
from ingest.health import Health
from ingest.mqtt_session import Arrival
from ingest.ranges import Ranges
from ingest.receipt import Receipts
from runtime.clock import SystemClock
from store import message
from store.line import Line
from store.message import Boot, Incoming, Key
from store.pool import Connection
from tests.ingest.conftest import NODE, until

AT = datetime(2026, 3, 4, tzinfo=UTC)


def taken(seq: int, boot: int = 1, node: str = NODE) -> Outcome:
    """A message that was stored and asks for a receipt."""
    arrival = Arrival(f"hh/1/up/{node}/obs", b"", AT)
    key = Key(node, boot, seq)
    return Outcome(Entry(arrival=arrival, node=node, kind="obs", key=key, receipt=True), fresh=True)


class Said:
    """Receipts at work, and what they said."""

    def __init__(self, line: Line) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.receipts = Receipts(
            line,
            self._send,
            clock=SystemClock(),
            monotonic=time.monotonic,
            every_s=0.05,
            health=Health(time.monotonic),
        )

    def _send(self, topic: str, payload: bytes) -> bool:
        self.sent.append((topic, json.loads(payload)["rcpt"]))
        return True


@pytest.fixture
async def said(database_url: str) -> AsyncIterator[Said]:
    """Receipts that run."""
    line = Line(database_url, name="test")
    made = Said(line)
    task = asyncio.create_task(made.receipts.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await line.close()


def test_a_hole_at_every_other_number_does_not_grow_for_ever() -> None:
    """A million numbers, every second one missing: few are remembered, and those are right."""
    ranges = Ranges()
    for number in range(0, 1_000_000, 2):
        ranges.add(number)
        assert number in ranges
    assert len(ranges) <= 1024
    assert ranges.upto == 0
    ranges.add(4001)  # one that was left out is asked for again
    assert 4001 in ranges
    assert 4003 not in ranges


@given(st.lists(st.integers(0, 60)))
def test_nothing_is_said_to_be_taken_that_was_not(numbers: list[int]) -> None:
    """However little is remembered: only what was added, always the last one, in order."""
    ranges, model = Ranges(most=2), set()
    for number in numbers:
        ranges.add(number)
        model.add(number)
        held = {n for low, high in ranges.all for n in range(low, high + 1)}
        assert number in held <= model
        assert ranges.all == sorted(ranges.all)
        assert len(ranges) <= 4


async def test_the_database_gives_the_first_and_the_latest(people: Connection) -> None:
    """A boot of very many holes: not all of them at once."""
    rows = [Incoming(Key(NODE, 1, seq), "obs", 1, AT) for seq in range(0, 4000, 2)]
    await message.take(people, rows)
    found = (await message.ranges(people, [Boot(NODE, 1)]))[Boot(NODE, 1)]
    assert len(found) == 1 + message.MOST_RANGES
    assert (found[0], found[-1]) == ((0, 0), (3998, 3998))


async def test_a_node_that_starts_without_end_keeps_nobody_waiting(
    people: Connection, said: Said
) -> None:
    """One node claims a new boot with every message: few are remembered, and the next node has its
    receipt at once."""
    for boot in range(30_000):
        said.receipts.note([taken(0, boot)])
    await message.take(people, [Incoming(Key("testnode2", 1, 0), "obs", 1, AT)])
    said.receipts.note([taken(0, node="testnode2")])
    await until(lambda: ("hh/1/dn/testnode2/fb", {"boot": 1, "upto": 0}) in said.sent)
    assert len(said.receipts._counts) < 200
    said.sent.clear()
    said.receipts.note([taken(0, 40_000)])  # it asks again later, and is told
    await until(lambda: said.sent)


async def test_everybody_asks_after_a_start(people: Connection, said: Said) -> None:
    """A thousand nodes ask at once: each is told, a few at a time."""
    keys = [Key(f"nodenumber{n}", 1, 0) for n in range(1000)]
    await message.take(people, [Incoming(key, "obs", 1, AT) for key in keys])
    said.receipts.note([taken(0, node=key.node_id) for key in keys])
    await until(lambda: len({topic for topic, _ in said.sent}) == 1000)
    assert {json.dumps(receipt) for _, receipt in said.sent} == {'{"boot": 1, "upto": 0}'}
