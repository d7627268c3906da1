"""Runs the console alone on one port, for the browser tests."""

import asyncio
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from msgspec import Struct

from care import console
from runtime.clock import SystemClock
from store.pool import make_pool


class Settings(Struct, frozen=True):
    """What the console needs of its settings."""

    database_url: str
    unit_key: Path | None = None


async def serve(database_url: str, port: int, unit_key: Path) -> None:
    """Serve until terminated."""
    app = FastAPI()
    async with make_pool(database_url, name="console-test", size=6) as pool:
        console.mount(app, pool, SystemClock(), Settings(database_url, unit_key))
        config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
