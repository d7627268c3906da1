"""The real application under uvicorn on a real database, and somebody to ask it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from care.api.app import build
from care.service import QuietServer, configured
from care.settings import CareSettings
from runtime.clock import ManualClock
from runtime.sealing import prepare_key
from store.pool import Connection, make_pool
from tests.care.api.measured import Measured
from tests.care.village import Village
from tests.care.village import build as build_village


@pytest.fixture
async def village(conn: Connection, clock: ManualClock) -> Village:
    """Two counties with people, patients and nodes."""
    return await build_village(conn, clock.now())


@pytest.fixture
def unit_key(tmp_path: Path) -> Path:
    """The key that seals the secrets of units."""
    prepare_key(tmp_path / "units")
    return tmp_path / "units"


@pytest.fixture
async def address(database_url: str, clock: ManualClock, unit_key: Path) -> AsyncIterator[str]:
    """Where the application listens, on a free port."""
    settings = CareSettings(
        database_url=database_url,
        http_port=0,
        device_mqtt_host="hub.example",
        device_mqtt_port=1883,
        unit_key=unit_key,
    )
    async with make_pool(database_url, name="test care", size=4) as pool:
        app = build(settings, pool, clock)
        server = QuietServer(configured(app, settings))
        running = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        await running


class Caller:
    """Asks the API as somebody."""

    def __init__(self, client: httpx.AsyncClient, tokens: dict[str, str]) -> None:
        self.client = client
        self._tokens = tokens

    async def ask(
        self, who: str | None, method: str, path: str, json: object = None
    ) -> httpx.Response:
        """One request with this person's token; None: nobody."""
        headers = {"Authorization": f"Bearer {self._tokens[who]}"} if who else {}
        return await self.client.request(method, path, json=json, headers=headers)

    async def get(self, who: str | None, path: str) -> httpx.Response:
        """GET as somebody."""
        return await self.ask(who, "GET", path)

    async def post(self, who: str | None, path: str, json: object) -> httpx.Response:
        """POST as somebody."""
        return await self.ask(who, "POST", path, json)


@pytest.fixture
async def client(address: str) -> AsyncIterator[httpx.AsyncClient]:
    """A browser-like client with its own cookies."""
    async with httpx.AsyncClient(base_url=address, timeout=60.0) as opened:
        yield opened


@pytest.fixture
def api(client: httpx.AsyncClient, village: Village) -> Caller:
    """Asks the API as the people of the village."""
    return Caller(client, village.tokens)


@pytest.fixture
def measured(conn: Connection, village: Village, clock: ManualClock) -> Measured:
    """Stores readings as ingest would."""
    return Measured(conn, village, clock)
