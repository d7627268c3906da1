"""The simulated node against the real ingest and the real downlink: both loops, closed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.messages import Ack, Acknowledgement, Event, Result
from downlink import service as downlink
from downlink.backfill import backfill
from downlink.settings import DownlinkSettings
from firmware_sim.history import DueDose, live_through
from firmware_sim.node import SimulatedNode
from firmware_sim.physiology import draw
from ingest import service as ingest
from ingest.settings import IngestSettings
from runtime.clock import SystemClock
from store import command, dose
from store.pool import Connection
from tests.downlink.home import NODE, Home, build, one, prescribe, rings
from tests.fixtures.fix_broker import LiveBroker

PASSWORD = "a-password-of-a-node"


@pytest.fixture
async def home(conn: Connection, broker: LiveBroker) -> Home:
    """A home whose node may connect."""
    broker.add_node(NODE, PASSWORD)
    return await build(conn)


@asynccontextmanager
async def hub(database_url: str, broker: LiveBroker, *rooms: str) -> AsyncIterator[None]:
    """These rooms of the hub, in this process."""
    settings = {
        "ingest": {"broker_url": broker.url("hub-ingest")},
        "downlink": {"broker_url": broker.url("hub-downlink"), "poll_s": 0.2},
    }
    makers: dict[str, Any] = {
        "ingest": lambda s: ingest.serve(IngestSettings(**s), SystemClock()),
        "downlink": lambda s: downlink.serve(DownlinkSettings(**s), SystemClock()),
    }
    tasks = [
        asyncio.create_task(makers[room]({"database_url": database_url} | settings[room]))
        for room in rooms
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_weeks_of_history_are_stored_and_receipted(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """Readings and doses of four weeks: everything receipted, every reading and dose there."""
    until = datetime.now(UTC)
    since = until - timedelta(weeks=4)
    await prescribe(conn, home, "08:00", "20:00", now=since)
    settings = DownlinkSettings(database_url="unused", broker_url="mqtt://u:p@127.0.0.1:1")
    await backfill(conn, NODE, since=since, now=until, settings=settings)
    due = await dose.of_patient(conn, home.patient_id, since=since, until=until)
    assert 55 <= len(due) <= 57
    doses = [DueDose(each.id, each.due_at) for each in due]
    past = live_through(draw(3), since=since, until=until, doses=doses)
    async with hub(database_url, broker, "ingest"), SimulatedNode(broker.url(NODE)) as node:
        await node.hub_ready()
        for message in (*past.observations, *past.acknowledgements):
            node.send(message)
        await node.receipted(timeout_s=20.0)
    assert await one(conn, "SELECT count(*) FROM reading") == len(past.measured)
    assert await one(conn, "SELECT count(*) FROM reject") == 0
    async with hub(database_url, broker, "downlink"):
        for _ in range(100):
            if await one(conn, "SELECT count(*) FROM dose_history") >= len(past.doses):
                break
            await asyncio.sleep(0.05)
    settled = await dose.of_patient(conn, home.patient_id, since=since, until=until)
    told = Counter(each.state for each in past.doses)
    assert Counter(each.state for each in settled if each.state in told) == told


async def test_the_second_loop_closes(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """Plan down, confirmed, dose taken, command answered: each is in the database in the end."""
    now = datetime.now(UTC)
    async with (
        hub(database_url, broker, "ingest", "downlink"),
        SimulatedNode(broker.url(NODE)) as node,
    ):
        await node.hub_ready()
        await prescribe(conn, home, "08:00", now=now)
        plan = await node.heard("plan")
        first = rings(plan)[0]
        node.say("ready", plan=plan.rev)
        answers = [
            Acknowledgement(id=f"plan:{plan.rev}", st="received"),
            Acknowledgement(id=first, st="taken", at=int(now.timestamp() * 1000), by="button"),
        ]
        node.send(Ack(v=0, boot=0, seq=0, t=int(now.timestamp() * 1000), clk="ntp", acks=answers))
        await command.request(
            conn,
            command_id="c1",
            node_id=NODE,
            op="measure_now",
            args={"k": "bp"},
            episode_id=None,
            created_by="engine",
            now=now,
            expires_at=now + timedelta(seconds=60),
        )
        asked = await node.heard("cmd")
        node.send(Result(v=0, boot=0, seq=0, id=asked.id, st="ok"))
        await node.receipted()
        for _ in range(100):
            done = await one(conn, "SELECT count(*) FROM command WHERE state = 'ok'")
            if done and await one(conn, "SELECT confirmed_at FROM plan"):
                break
            await asyncio.sleep(0.05)
    assert await one(conn, "SELECT confirmed_revision FROM plan") == plan.rev
    assert await one(conn, "SELECT state FROM dose WHERE id = %s", first) == "taken"
    assert await one(conn, "SELECT state FROM command") == "ok"


async def test_an_event_is_receipted_and_sent_again_until_then(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """Published while nobody listens it is not delivered; sent again it is stored once."""
    async with SimulatedNode(broker.url(NODE), resend_s=0.4) as node:
        node.send(Event(v=0, boot=0, seq=0, id="e1", type="call_doctor", sev="critical"))
        with pytest.raises(TimeoutError):
            await node.receipted(timeout_s=0.6)
        async with hub(database_url, broker, "ingest"):
            await node.receipted(timeout_s=15.0)
    assert await one(conn, "SELECT count(*) FROM event WHERE event_id = 'e1'") == 1


async def test_wrong_credentials_are_said_at_once(broker: LiveBroker) -> None:
    """A node nobody added does not hang."""
    with pytest.raises(ConnectionError, match="authori"):
        async with SimulatedNode(f"mqtt://nobody000001:x@127.0.0.1:{broker.port}"):
            pytest.fail("let in")
