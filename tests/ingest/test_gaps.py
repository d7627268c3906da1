"""Gaps found by a running ingest, and by one that begins where another was killed."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ingest.settings import IngestSettings
from store import gap
from store.pool import Connection
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import NODE, Device, quick, running, until, until_count


@pytest.fixture
def settings(database_url: str, broker: LiveBroker) -> IngestSettings:
    """A hole is a gap after a second."""
    made = quick(database_url, broker).model_dump()
    return IngestSettings(**made | {"gap_every_s": 0.1, "gap_after_s": 0.2, "gap_quiet_s": 1.0})


async def gaps(conn: Connection) -> list[tuple[Any, ...]]:
    """Every gap with how much is missing and how it was closed."""
    return sorted((g.first, g.last, g.missing, g.how) for g in await gap.of_node(conn, NODE))


async def until_gaps(conn: Connection, wanted: list[tuple[Any, ...]]) -> None:
    """Wait until the gaps are these."""
    deadline = time.monotonic() + 40.0
    while (found := await gaps(conn)) != wanted:
        assert time.monotonic() < deadline, f"{found}, expected {wanted}"
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def ready(settings: IngestSettings, device: Device) -> AsyncIterator[None]:
    """A running ingest that has said so once more."""
    said = device.statuses().count("ready")
    async with running(settings):
        await until(lambda: device.statuses().count("ready") > said)
        yield


@pytest.mark.usefixtures("ingest")
async def test_a_gap_is_found_shrinks_and_closes(device: Device, people: Connection) -> None:
    """What was swallowed is missing; what comes late, in any order, is missing no longer."""
    for seq in (0, 1, 2, 3, 4, 10, 11):
        device.pressure(120, seq=seq)
    await until_gaps(people, [(5, 9, 5, None)])
    device.pressure(121, seq=7)
    await until_gaps(people, [(5, 9, 4, None)])
    for seq in (9, 5, 8, 6):
        device.pressure(121, seq=seq)
    await until_gaps(people, [(5, 9, 0, "came")])


@pytest.mark.usefixtures("ingest")
async def test_what_overtakes_makes_no_gap(device: Device, people: Connection) -> None:
    """A call for help goes ahead of what was measured before it."""
    device.send("event", {"seq": 5, "id": "e1", "type": "sos"})
    for seq in range(5):
        device.pressure(120, seq=seq)
    device.pressure(120, seq=7)
    await until_gaps(people, [(6, 6, 1, None)])


async def test_a_kill_costs_no_gap(
    settings: IngestSettings, device: Device, people: Connection
) -> None:
    """An ingest that ends between a message and the look leaves its gaps to the next one."""
    slow = settings.model_copy(update={"gap_after_s": 1e6})
    async with ready(slow, device):
        for seq in (0, 1, 4):
            device.pressure(120, seq=seq)
        await until_count(people, "message", 3)
        assert await gaps(people) == []
    async with ready(settings, device):
        await until_gaps(people, [(2, 3, 2, None)])


@pytest.mark.usefixtures("ingest")
async def test_a_boot_counted_anew_begins_again(device: Device, people: Connection) -> None:
    """The node lost its count: what was missing of the old one says nothing of the new one."""
    for seq in (0, 5):
        device.pressure(120, seq=seq)
    await until_gaps(people, [(1, 4, 4, None)])
    for seq in (0, 1, 3):
        device.pressure(130, seq=seq)
    await until_gaps(people, [(1, 4, 4, "given_up"), (2, 2, 1, None)])


@pytest.mark.usefixtures("ingest")
async def test_one_stray_number_asks_for_nothing_that_is_there(
    device: Device, people: Connection
) -> None:
    """Four readings are stored, and another one comes under the last number: the node is warned,
    and nobody asks for the others, which it has let go."""
    for seq in (0, 1, 2, 3):
        device.pressure(120, seq=seq)
    await until(lambda: {"boot": 1, "upto": 3} in device.receipts())
    device.pressure(130, seq=3)
    await until(lambda: [fb for fb in device.feedback() if fb.get("code") == "W4002"])
    device.pressure(140, seq=4)
    device.pressure(140, seq=6)
    await until_gaps(people, [(5, 5, 1, None)])
