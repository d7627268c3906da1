"""The alerts process: one engine, woken by the feed, until it is told to stop."""

import asyncio
from typing import Final

import structlog

from alerts.away import AWAY
from alerts.engine import Engine
from alerts.settings import AlertsSettings
from runtime import metrics
from runtime.clock import Clock
from runtime.supervision import run_tasks
from store.pool import listening, make_pool

_LOG = structlog.get_logger()
_POOL_SIZE: Final = 6
_LISTEN_AGAIN_S: Final = 2.0


async def serve(settings: AlertsSettings, clock: Clock) -> None:
    """Run until cancelled. While the database is away it waits; nothing is lost by that."""
    pool = make_pool(settings.database_url, name="alerts", size=_POOL_SIZE)
    engine = Engine(pool, settings, clock)
    async with pool, metrics.served(settings.metrics_port, engine.pulse.readiness), engine:
        await run_tasks(
            {
                "alerts[engine]": engine.run(),
                "alerts[listen]": _listen(settings.database_url, engine.wake),
            }
        )


async def _listen(database_url: str, wake: asyncio.Event) -> None:
    """NOTIFY only wakes: while nobody can listen, the engine polls."""
    while True:
        try:
            async with listening(database_url, "feed") as conn:
                async for _ in conn.notifies():
                    wake.set()
        except AWAY as error:
            _LOG.warning("not_listening", error=type(error).__name__)
        await asyncio.sleep(_LISTEN_AGAIN_S)
