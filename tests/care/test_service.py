"""`hearthbeat care` as a process: API and console in one, outages, stopping, refusing to start."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from pydantic import ValidationError

from care.settings import CareSettings
from runtime.free_port import free_port

pytestmark = pytest.mark.loop
_PATIENCE_S = 120.0
NOWHERE = "postgresql://127.0.0.1:1/none"


@asynccontextmanager
async def care(database_url: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The service on a free port."""
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HEARTHBEAT_")}
    environment["HEARTHBEAT_DATABASE_URL"] = database_url
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub.main", "care", "--http-port", str(port)),
        env=environment,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def client(address: str) -> httpx.AsyncClient:
    """A browser with patience."""
    return httpx.AsyncClient(base_url=address, timeout=60.0)


async def until(happens: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it happens."""
    ends = time.monotonic() + _PATIENCE_S
    while not await happens():
        assert time.monotonic() < ends, "not in time"
        await asyncio.sleep(0.1)


async def status(web: httpx.AsyncClient, path: str) -> int:
    """The status of a GET; 0 while nobody listens."""
    try:
        return (await web.get(path)).status_code
    except httpx.TransportError:
        return 0


async def test_api_and_console_come_from_one_server(database_url: str) -> None:
    """The API answers, the console's door is there, and SIGTERM ends it cleanly and soon."""
    async with care(database_url) as (process, address), client(address) as web:

        async def is_ready() -> bool:
            return await status(web, "/ready") == 200

        await until(is_ready)
        assert await status(web, "/api/me") == 401
        door = await web.get("/sign-in")
        assert door.status_code == 200
        assert "text/html" in door.headers["content-type"]
        assert door.headers["x-frame-options"] == "DENY"
        assert "content-security-policy" in door.headers
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_p15_care_without_a_database_says_so(database_url: str) -> None:
    """It starts, is alive, is not ready, and answers 503 with when to try again."""
    async with care(NOWHERE) as (process, address), client(address) as web:

        async def is_alive() -> bool:
            return await status(web, "/health") == 200

        await until(is_alive)
        assert await status(web, "/ready") == 503
        asked = await web.post("/api/sign-in", json={"user": "a", "password": "b"}, timeout=20)
        assert asked.status_code == 503
        assert asked.headers["retry-after"] == "5"
        assert asked.json()["title"] == "database away"
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 15) == 0


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"http_host": "0.0.0.0"}, "without TLS"),
        ({"http_host": "hub.example"}, "without TLS"),
        ({"tls_certificate": "/x.pem"}, "both a certificate and a key"),
    ],
)
def test_unsafe_settings_are_refused(settings: dict[str, str], complaint: str) -> None:
    """Off loopback without TLS, or half of TLS: refused before anything listens."""
    with pytest.raises(ValidationError, match=complaint):
        CareSettings(database_url=NOWHERE, **settings)


def test_what_makes_a_cookie_secure() -> None:
    """TLS of our own, or https in front of us; and `insecure` is somebody's own decision."""
    assert not CareSettings(database_url=NOWHERE).secure
    assert CareSettings(database_url=NOWHERE, public_url="https://hub.example").secure
    assert CareSettings(database_url=NOWHERE, tls_certificate="/c", tls_key="/k").secure
    assert not CareSettings(database_url=NOWHERE, http_host="0.0.0.0", insecure=True).secure
