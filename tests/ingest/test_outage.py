"""What is taken survives: a database that goes away, an ingest that is killed, a broker that
restarts."""

import asyncio
import json
import os
import random
import subprocess
import sys

import pytest

from ingest.settings import IngestSettings
from runtime.postgres_server import PostgresServer
from store.pool import Connection
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import (
    Device,
    connected,
    count,
    now_ms,
    quick,
    running,
    until,
    until_count,
)


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_safety_15_while_the_database_is_away_the_hub_says_degraded(
    mortal: PostgresServer, broker: LiveBroker, home: Device, how: str
) -> None:
    """The database goes: hub/status says degraded within seconds, and nothing sent meanwhile is
    receipted. It comes back: ready, and everything is stored once and receipted; a call for help
    that came in the dark is answered then."""
    async with running(quick(mortal.url, broker)):
        await until(lambda: "ready" in home.statuses())
        home.pressure(120)
        await until(home.receipts)
        mortal.stop() if how == "stopped" else mortal.kill()
        await until(lambda: home.statuses()[-1] == "degraded", 5.0)
        known = len(home.feedback())
        for n in range(20):
            home.pressure(130 + n)
        home.send("event", {"id": "e1", "type": "sos"})
        await asyncio.sleep(1.0)
        assert len(home.feedback()) == known
        mortal.start()
        await until(lambda: home.statuses()[-1] == "ready")
        await until(lambda: {"boot": 1, "upto": 21} in home.receipts())
        await until(lambda: any(fb.get("st") == "accepted" for fb in home.feedback()))
        async with connected(mortal) as conn:
            assert [await count(conn, "reading"), await count(conn, "event")] == [21, 1]


async def test_safety_15_degraded_before_the_database_was_ever_there(
    mortal: PostgresServer, broker: LiveBroker, home: Device
) -> None:
    """The hub starts while the database is away: degraded, never ready before it answers."""
    mortal.stop()
    try:
        async with running(quick(mortal.url, broker)):
            await until(home.statuses)
            assert home.statuses() == ["degraded"]
            mortal.start()
            await until(lambda: home.statuses()[-1] == "ready")
    finally:
        if mortal.pid is None:
            mortal.start()


async def test_while_away_no_more_is_held_than_receive_maximum(
    mortal: PostgresServer, broker: LiveBroker, home: Device
) -> None:
    """A thousand messages come in the dark: fifty are in hand, the broker keeps the others."""
    settings = quick(mortal.url, broker).model_copy(update={"receive_maximum": 50})
    async with running(settings):
        await until(lambda: "ready" in home.statuses())
        mortal.stop()
        publish(home, range(1000))
        await asyncio.sleep(1.0)
        in_hand = gauge_of_messages_in_hand("data")
        assert 0 < in_hand <= 51
        mortal.start()
        await until(lambda: {"boot": 1, "upto": 999} in home.receipts(), 20.0)
    async with connected(mortal) as conn:
        assert await count(conn, "reading") == 1000


def gauge_of_messages_in_hand(lane: str) -> float:
    """What the metric of messages in hand says."""
    from ingest.measured import measured

    return measured().in_hand.labels(lane)._value.get()


async def test_a_deadlocked_or_cancelled_batch_is_written_after_all(
    device: Device, people: Connection, settings: IngestSettings, database_url: str
) -> None:
    """The writer's connections are cut every few milliseconds: everything is stored once."""
    async with running(settings):
        await until(lambda: "ready" in device.statuses())
        publish(device, range(400))
        for _ in range(15):
            await people.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'hearthbeat ingest write%'"
                " AND datname = current_database()"
            )
            await asyncio.sleep(0.03)
        await until_count(people, "reading", 400)
        await until(lambda: {"boot": 1, "upto": 399} in device.receipts())
    cursor = await people.execute("SELECT sum(items) FROM batch")
    assert await cursor.fetchone() == (400,)


async def test_a_restarted_broker_is_found_again(
    ingest: None, device: Device, people: Connection, broker: LiveBroker
) -> None:
    """Rows arrive after the broker was away, not only a line in the log; status is told again."""
    device.pressure(120)
    await until_count(people, "reading", 1)
    broker.stop()
    await asyncio.sleep(0.3)
    broker.start()
    await until(device._client.is_connected)
    device.pressure(130)
    await until_count(people, "reading", 2)
    assert device.statuses()[-1] == "ready"


def publish(device: Device, numbers: range) -> None:
    """One reading per number, all different, without waiting."""
    base = now_ms() - 3_600_000
    for n in numbers:
        series = {"k": "bp", "o": [0], "c": {"sys": [60 + n % 200], "dia": [50]}}
        body = {"v": 0, "boot": 1, "seq": n, "t": base + n, "clk": "ntp", "rc": 1, "ser": [series]}
        device._client.publish(f"hh/1/up/{device.node}/obs", json.dumps(body).encode(), 1)


RUNNER = """
import sys
from ingest.service import serve
from ingest.settings import IngestSettings
from runtime.clock import SystemClock
from runtime.supervision import run_service
sys.exit(run_service("ingest", lambda: serve(IngestSettings(), SystemClock())))
"""


def start_ingest(settings: IngestSettings) -> subprocess.Popen[bytes]:
    """Ingest as a process of its own."""
    env = os.environ | {
        "HEARTHBEAT_DATABASE_URL": settings.database_url,
        "HEARTHBEAT_BROKER_URL": settings.broker_url,
        "HEARTHBEAT_INGEST_RECEIPT_EVERY_S": "0.2",
        "HEARTHBEAT_INGEST_PROBE_EVERY_S": "0.1",
        "HEARTHBEAT_INGEST_WILL_DELAY_S": "2",
        "HEARTHBEAT_INGEST_BACKOFF_CAP_S": "0.3",
    }
    return subprocess.Popen([sys.executable, "-c", RUNNER], env=env, stderr=subprocess.DEVNULL)


@pytest.mark.loop
async def test_a_killed_ingest_loses_nothing(
    device: Device, people: Connection, settings: IngestSettings
) -> None:
    """kill -9 at random moments under load, between receiving and commit as likely as anywhere:
    every message the broker took is stored exactly once, fed exactly once, and receipted."""
    rand = random.Random(20260304)
    process = start_ingest(settings)
    try:
        await until(lambda: "ready" in device.statuses())
        total = 0
        for _ in range(4):
            publish(device, range(total, total + 500))
            total += 500
            await asyncio.sleep(rand.uniform(0.02, 0.3))
            process.kill()
            process.wait()
            process = start_ingest(settings)
        await until_count(people, "reading", total, 30.0)
        await until(lambda: {"boot": 1, "upto": total - 1} in device.receipts())
        cursor = await people.execute("SELECT sum(items) FROM batch")
        assert await cursor.fetchone() == (total,)
        process.terminate()
        assert process.wait(10) == 0
        await until(lambda: device.statuses()[-1] == "offline")
        process = start_ingest(settings)
        await until(lambda: device.statuses()[-1] == "ready")
        process.kill()
        await until(lambda: device.statuses()[-1] == "offline", 5.0)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
