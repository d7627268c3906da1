"""`hearthbeat care`: one HTTP server with the REST API and the console on it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import psycopg
import structlog
import uvicorn
from psycopg_pool import PoolTimeout

from care import console
from care.api.app import build
from care.settings import CareSettings
from runtime.clock import Clock
from runtime.supervision import run_tasks
from store import session
from store.pool import Pool, make_pool

log = structlog.get_logger()

# Open pages hold a connection for ever; they come back by themselves.
_GRACE_S: Final = 2
_PRUNE_EVERY_S: Final = 3600.0
_KEEP_SESSIONS: Final = timedelta(days=30)


class QuietServer(uvicorn.Server):
    """uvicorn without signal handlers of its own: `runtime.supervision` has them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


async def serve(settings: CareSettings, clock: Clock) -> None:
    """Serve until cancelled. Starts also while the database is away; /ready tells."""
    async with make_pool(settings.database_url, name="care", size=settings.pool_size) as pool:
        app = build(settings, pool, clock)
        console.mount(app, pool, clock, settings, settings.lifetime)
        server = QuietServer(configured(app, settings))
        await run_tasks({"http": _run(server), "prune": _prune(pool, clock)})


def configured(app: object, settings: CareSettings) -> uvicorn.Config:
    """How the application is served: addresses, TLS, proxies, and what is not told."""
    proxies = settings.trusted_proxies
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=settings.http_host,
        port=settings.http_port,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies or None,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=_GRACE_S,
    )


async def _run(server: uvicorn.Server) -> None:
    """Serve; when cancelled, finish what is running and then end."""
    serving = asyncio.create_task(server.serve(), name="uvicorn")
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise
    if not server.should_exit:
        raise RuntimeError("the HTTP server ended by itself")


async def _prune(pool: Pool, clock: Clock) -> None:
    """Forget sessions that were over a month ago, now and every hour."""
    while True:
        try:
            async with pool.connection() as conn:
                await session.prune(conn, before=clock.now() - _KEEP_SESSIONS)
        except (psycopg.OperationalError, PoolTimeout):
            log.warning("sessions not pruned: the database is away")
        await asyncio.sleep(_PRUNE_EVERY_S)
