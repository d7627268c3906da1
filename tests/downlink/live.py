"""downlink running against a real broker: in this process, or as one of its own to be killed."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from downlink.service import serve
from downlink.settings import DownlinkSettings
from firmware_sim.node import SimulatedNode
from runtime.clock import SystemClock
from tests.downlink.home import NODE
from tests.fixtures.fix_broker import LiveBroker

PASSWORD = "a-password-of-a-node"
RUN = """
import asyncio, sys
from downlink.service import serve
from downlink.settings import DownlinkSettings
from runtime.clock import SystemClock
from runtime.supervision import run_service
sys.exit(run_service("downlink", lambda: serve(DownlinkSettings(), SystemClock())))
"""


def now() -> datetime:
    """The real time: these tests wait for real processes."""
    return datetime.now(UTC)


def fast(database_url: str, broker: LiveBroker, **more: Any) -> DownlinkSettings:
    """Settings that look often."""
    values = {
        "database_url": database_url,
        "broker_url": broker.url("hub-downlink"),
        "poll_s": 0.2,
        "reconnect_cap_s": 0.3,
    }
    return DownlinkSettings(**(values | more))


@asynccontextmanager
async def running(settings: DownlinkSettings) -> AsyncIterator[asyncio.Task[None]]:
    """downlink in this process, cancelled afterwards."""
    task = asyncio.create_task(serve(settings, SystemClock()))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Process:
    """downlink as a process of its own, to be killed."""

    def __init__(self, settings: DownlinkSettings) -> None:
        self._environment = os.environ | {
            "HEARTHBEAT_DATABASE_URL": settings.database_url,
            "HEARTHBEAT_BROKER_URL": settings.broker_url,
            "HEARTHBEAT_DOWNLINK_POLL_S": str(settings.poll_s),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it (again)."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", RUN], env=self._environment, cwd=Path(__file__).parents[2]
        )

    def end(self, number: int) -> int:
        """Send a signal and wait; the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(60)


@asynccontextmanager
async def device(broker: LiveBroker, **more: Any) -> AsyncIterator[SimulatedNode]:
    """The home's node at the broker."""
    async with SimulatedNode(broker.url(NODE), **more) as node:
        yield node


async def until(check: Callable[[], Awaitable[Any]], seconds: float = 60.0) -> Any:
    """Wait for something the database will say."""
    async with asyncio.timeout(seconds):
        while not (found := await check()):  # noqa: ASYNC110 - the change is in a database
            await asyncio.sleep(0.03)
    return found


def forget(broker: LiveBroker) -> None:
    """Kill the broker and whatever it had saved, then start it empty."""
    broker.kill()
    for saved in broker.server.home.rglob("*.db"):
        saved.unlink()
    broker.start()
