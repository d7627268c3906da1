"""Gaps through a whole hub: found, asked for, closed by what comes or by what is gone; and what is
killed between these costs none of them."""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg import AsyncConnection

from contract.messages import Receipt
from firmware_sim.robot.device import Robot
from runtime.running import wait_until
from tests.contract_on_mqtt.conftest import LiveHub, Rows, quick
from tests.contract_on_mqtt.test_gateway import at_home
from tests.fixtures.fix_hub import HubProcess, _starting

pytestmark = pytest.mark.loop
_QUICK = {
    "HEARTHBEAT_INGEST_GAP_EVERY_S": "0.2",
    "HEARTHBEAT_INGEST_GAP_AFTER_S": "0.3",
    "HEARTHBEAT_INGEST_GAP_QUIET_S": "2",
    "HEARTHBEAT_DOWNLINK_POLL_S": "0.2",
}
_INSTANTS = itertools.count()  # never two readings at the same one
_GAPS = (
    "SELECT lower(numbers), upper(numbers) - 1, numbers_in(missing), numbers_in(gone), how"
    " FROM gap WHERE node_id = %s ORDER BY 1"
)


@pytest.fixture(scope="module")
def process() -> Iterator[HubProcess]:
    """A hub whose holes are gaps after two seconds."""
    before = dict(os.environ)
    os.environ.update(_QUICK)
    try:
        with _starting() as start:
            yield start("gaps", rooms=("ingest", "downlink", "care")).wait_up()
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
def hub(process: HubProcess) -> LiveHub:
    """The same, with a patient, ready to be asked."""
    return LiveHub(process.data)


@pytest.fixture
async def rows(hub: LiveHub) -> AsyncIterator[Rows]:
    """Eyes on the hub's database."""
    async with await AsyncConnection.connect(hub.database_url, autocommit=True) as conn:
        yield Rows(conn)


async def until_gaps(rows: Rows, node: str, wanted: list[tuple[Any, ...]]) -> None:
    """Wait until a node's gaps are these: first, last, missing, gone, how."""
    for _ in range(1200):
        found = await rows.all(_GAPS, node)
        if found == wanted:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"{found}, expected {wanted}")


def weigh(robot: Robot, times: int) -> list[int]:
    """The person steps on the scale; the numbers of the messages."""
    scale = {"k": "wt", "dev": "cuff1", "y": [71]}
    return [robot.observe([scale | {"o": [-next(_INSTANTS)]}]) for _ in range(times)]


def swallow(robot: Robot, seqs: list[int], *, keep: bool = True) -> None:
    """The robot believes that these arrived; they were never sent."""
    for seq in seqs:
        robot.outbox.drop(robot.outbox.boot, seq)
        if not keep:
            robot.outbox.forget(robot.outbox.boot, seq)


async def test_what_was_swallowed_comes_or_is_lost(hub: LiveHub, rows: Rows) -> None:
    """Five messages are held and come, three are gone and shown as lost, to whoever asks."""
    access = await asyncio.to_thread(hub.node)
    async with Robot(access, habits=quick()) as robot:
        await robot.hub_ready()
        held, lost = weigh(robot, 5), weigh(robot, 3)
        swallow(robot, held)
        swallow(robot, lost, keep=False)
        await robot.receipted_upto(held[0] - 1)
        last = weigh(robot, 1)[0]
        await until_gaps(rows, access.node, [(held[0], lost[-1], 0, 3, "gone")])
        stored = "SELECT count(*) FROM reading WHERE node_id = %s"
        assert await rows.all(stored, access.node) == [(6,)]
        assert last == lost[-1] + 1
    told = await asyncio.to_thread(hub.api, "GET", f"/nodes/{access.node}/gaps")
    (gap,) = told["gaps"]
    assert (gap["state"], gap["missing"], gap["lost"]) == ("lost", 0, 3)
    day = await asyncio.to_thread(hub.api, "GET", f"/patients/{hub.patient}/completeness?days=1")
    assert day["days"][0]["lost"] == 3


async def test_the_gateway_says_what_is_gone(hub: LiveHub, rows: Rows, tmp_path: Path) -> None:
    """What its spool has lost, the real gateway calls gone; what it holds it sends by itself."""
    access = await asyncio.to_thread(hub.node)
    async with at_home(access, tmp_path) as gateway:
        ready = "SELECT 1 FROM node_state WHERE node_id = %s AND state = 'ready'"
        await rows.until(ready, access.node)
        seqs = [gateway.reports.event("answer", sev="info")[1] for _ in range(3)]
        gone = Receipt(boot=gateway.spool.boot, upto=-1, also=[(seqs[0], seqs[1])])
        assert len(gateway.spool.receive(gone)) == 2
        await until_gaps(rows, access.node, [(seqs[0], seqs[1], 0, 2, "gone")])


async def test_kills_between_found_asked_and_answered_cost_no_gap(
    process: HubProcess, hub: LiveHub, rows: Rows
) -> None:
    """Downlink dies with the gap found; ingest with the answer on its way; downlink with the
    answer stored. The robot is asked once, and what it holds comes."""
    access = await asyncio.to_thread(hub.node)
    async with Robot(access, habits=quick()) as robot:
        await robot.hub_ready()
        first = weigh(robot, 5)
        swallow(robot, first)
        os.kill(process.pid("downlink"), signal.SIGSTOP)
        weigh(robot, 1)
        await until_gaps(rows, access.node, [(first[0], first[-1], 5, 0, None)])
        os.kill(process.pid("ingest"), signal.SIGSTOP)
        await _killed(process, "downlink")
        await rows.until("SELECT 1 FROM command WHERE node_id = %s AND state = 'sent'", access.node)
        os.kill(process.pid("downlink"), signal.SIGSTOP)
        await robot.until(lambda: bool(robot.hearing.orders.carried_out), 30.0)
        await _killed(process, "ingest")
        await until_gaps(rows, access.node, [(first[0], first[-1], 0, 0, "came")])
        await _killed(process, "downlink")
        await rows.until("SELECT 1 FROM command WHERE node_id = %s AND state = 'ok'", access.node)
        assert len(await rows.all("SELECT 1 FROM command WHERE node_id = %s", access.node)) == 1


async def _killed(process: HubProcess, room: str) -> None:
    before = process.pid(room)
    os.kill(before, signal.SIGKILL)
    again = await asyncio.to_thread(wait_until, lambda: process.pid(room) not in (0, before), 45.0)
    assert again, process.said()
