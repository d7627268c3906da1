"""A home with a ladder of three people, and an engine whose clock is turned by hand."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from alerts.engine import Engine
from alerts.settings import AlertsSettings
from runtime.clock import ManualClock
from store.pool import Connection, Pool, make_pool
from tests.alerts.home import Home


@pytest.fixture
def settings(database_url: str) -> AlertsSettings:
    """The defaults, on this test's database."""
    return AlertsSettings(database_url=database_url)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Connections of the engine."""
    async with make_pool(database_url, name="alerts-test", size=4) as opened:
        yield opened


@pytest.fixture
async def engine(pool: Pool, settings: AlertsSettings, clock: ManualClock) -> AsyncIterator[Engine]:
    """One engine, turned by `cycle`."""
    async with Engine(pool, settings, clock) as opened:
        yield opened
        await opened.outbox.settled()


@pytest.fixture
async def home(conn: Connection, clock: ManualClock) -> Home:
    """A patient with a cuff, and a ladder of three."""
    return await Home(conn, clock).build()


@pytest.fixture
def passes(engine: Engine, clock: ManualClock) -> Callable[[float], Awaitable[None]]:
    """Let so many seconds pass, with a turn of the engine before and after."""

    async def let(seconds: float) -> None:
        await engine.cycle()
        clock.advance(seconds)
        await engine.cycle()

    return let
