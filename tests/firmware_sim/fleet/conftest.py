"""A fleet on a real broker, with a real database behind a real ingest."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.fleet import Account, Fleet, FleetOptions, Summary
from firmware_sim.fleet.ledger import Record, read
from hub.fleet_nodes import make_fleet
from ingest.service import serve
from ingest.settings import IngestSettings
from runtime import running
from runtime.clock import SystemClock
from runtime.mosquitto_password import hash_password
from store.pool import Connection
from tests.fixtures.fix_broker import LiveBroker


class Place:
    """A broker that knows the nodes of a fleet, and where the fleet keeps its books."""

    def __init__(self, broker: LiveBroker, accounts: tuple[Account, ...], home: Path) -> None:
        self.broker = broker
        self.accounts = accounts
        self.ledger = home / "ledger"

    def options(self, **more: Any) -> FleetOptions:
        """A quick fleet: short waits, nothing wrong."""
        usual = {
            "broker": f"mqtt://127.0.0.1:{self.broker.port}",
            "accounts": self.accounts,
            "ledger": self.ledger,
            "seed": 3,
            "rate": 100.0,
            "minutes": 2 / 60,
            "settle_s": 60.0,
            "reconnect_base_s": 0.1,
            "reconnect_cap_s": 0.5,
            "reconnect_min_s": 0.1,
            "resend_s": 5.0,
            "catch_up_per_s": 500.0,
        }
        return FleetOptions(**(usual | more))

    async def run(self, **more: Any) -> Summary:
        """Run a fleet to its end."""
        return await Fleet(self.options(**more)).run()

    def records(self) -> list[Record]:
        """What the books say."""
        return list(read(self.ledger))


async def make_place(
    broker: LiveBroker, conn: Connection, home: Path, *, count: int = 4, shared: float = 0.0
) -> Place:
    """Nodes in the database and at the broker."""
    accounts = await make_fleet(conn, count=count, now=datetime.now(UTC), shared=shared)
    broker.server.write_users({one.node: hash_password(one.password) for one in accounts})
    broker.server.reload()
    assert running.wait_until(broker.server.has_taken_over, 30.0)
    return Place(broker, accounts, home)


@pytest.fixture
async def place(broker: LiveBroker, conn: Connection, tmp_path: Path) -> Place:
    """Four nodes."""
    return await make_place(broker, conn, tmp_path)


@pytest.fixture
async def shared_place(broker: LiveBroker, conn: Connection, tmp_path: Path) -> Place:
    """Six nodes, the cuffs of half of them used by two people."""
    return await make_place(broker, conn, tmp_path, count=6, shared=0.5)


@pytest.fixture
def settings(database_url: str, broker: LiveBroker) -> IngestSettings:
    """Short times, on this test's database and broker."""
    return IngestSettings(
        database_url=database_url,
        broker_url=broker.url("hub-ingest"),
        receipt_every_s=0.2,
        merge_rejects_s=1.0,
        probe_every_s=0.1,
        degraded_after_s=0.5,
        backoff_base_s=0.05,
        backoff_cap_s=0.3,
    )


@contextlib.asynccontextmanager
async def ingesting(settings: IngestSettings) -> AsyncIterator[None]:
    """Ingest in this process."""
    task = asyncio.create_task(serve(settings, SystemClock()))
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.02)
