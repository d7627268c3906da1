"""Runs the console and the API on one port, for the browser tests."""

import asyncio
import sys
from pathlib import Path

import uvicorn

from care import console
from care.api.app import build
from care.settings import CareSettings
from runtime import metrics
from runtime.clock import SystemClock
from store.pool import make_pool


async def serve(database_url: str, port: int, unit_key: Path) -> None:
    """Serve until terminated."""
    settings = CareSettings(database_url=database_url, unit_key=unit_key)
    async with make_pool(database_url, name="console-test", size=6) as pool:
        clock = SystemClock()
        app = build(settings, pool, clock)
        console.mount(app, pool, clock, settings)
        config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")
        async with metrics.served(settings.metrics_port):
            await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
