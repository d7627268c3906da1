"""A gateway under test: a meter on a pty, a real broker, a scripted hub, a clock to turn."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.screen.server import Press
from gateway.service import Gateway
from gateway.settings import GatewaySettings
from gateway.storage import Storage
from runtime.clock import Clock
from tests.fixtures.fix_broker import LiveBroker
from tests.gateway.meter_on_pty import MeterOnPty
from tests.gateway.scripted_hub import ScriptedHub

NODE = "testnode1"
PASSWORD = "a-test-password"
QUICK: dict[str, Any] = {
    "poll_seconds": 0.05,
    "tick_seconds": 0.05,
    "resend_seconds": 0.6,
    "event_resend_seconds": (0.2, 0.2, 0.4, 1.0),
    "fallback_seconds": 0.8,
    "cancel_seconds": 1.0,
    "reconnect_base": 0.05,
    "reconnect_cap": 0.2,
    "reconnect_pause": 0.0,
    "refused_pause": 0.5,
    "rest_seconds": 0.3,
    "reading_seconds": 1.5,
    "will_delay": 0,
    "voice": "none",
    "screen_port": 0,
}


async def until(probe: Callable[[], Any], within: float = 30.0) -> Any:
    """Wait until `probe` gives something true; fails after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail("waited in vain")
        await asyncio.sleep(0.02)


class Running:
    """A gateway that runs in this test's event loop."""

    def __init__(self, settings: GatewaySettings, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self.start()

    def start(self) -> None:
        """Power on."""
        self.storage = Storage(self.settings.state / "gateway.db")
        self.gateway = Gateway(self.settings, self._clock, self.storage)
        self._task = asyncio.create_task(self.gateway.run())

    async def stop(self) -> None:
        """Power off; a second time does nothing."""
        self._task.cancel()
        await asyncio.wait([self._task])
        self.storage.close()
        error = None if self._task.cancelled() else self._task.exception()
        assert error is None, f"the gateway failed: {error!r}"

    async def press(self, do: str, **what: str) -> bool:
        """Press a button."""
        return await self.gateway.robot.press(Press(do=do, **what))

    @property
    def port(self) -> int:
        """Where the screen listens; 0 while it does not."""
        screen = self.gateway.screen
        return 0 if screen is None else screen.port

    @property
    def robot(self) -> Any:
        """The person's side."""
        return self.gateway.robot


@pytest.fixture
def meter(tmp_path: Path) -> Iterator[MeterOnPty]:
    """A plugged-in meter with an empty memory."""
    made = MeterOnPty(tmp_path / "cuff")
    made.plug()
    yield made
    made.unplug()


@pytest.fixture
def hub(broker: LiveBroker) -> Iterator[ScriptedHub]:
    """A hub that receipts everything at once."""
    broker.add_node(NODE, PASSWORD)
    made = ScriptedHub(broker, NODE)
    made.status("ready")
    yield made
    made.close()


@pytest.fixture
async def power(
    broker: LiveBroker, hub: ScriptedHub, meter: MeterOnPty, tmp_path: Path, clock: Clock
) -> AsyncIterator[Callable[..., Running]]:
    """Call it to get a running gateway; arguments are settings that differ."""
    started: list[Running] = []

    def start(**different: Any) -> Running:
        values = {
            **QUICK,
            "broker": broker.url(NODE),
            "state": tmp_path / "state",
            "serial": str(meter.link),
            **different,
        }
        started.append(Running(GatewaySettings(**values), clock))
        return started[-1]

    yield start
    for running in started:
        await running.stop()
