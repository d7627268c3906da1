"""What an operator sees of care: requests by route and status class, waits, never an id."""

import asyncio

import httpx
from prometheus_client import REGISTRY, generate_latest

from care import measured
from store.pool import Pool, make_pool
from tests.care.api.conftest import Caller
from tests.care.village import Village


def shown(name: str, **labels: str) -> float:
    """A figure as it is now."""
    return REGISTRY.get_sample_value(f"hearthbeat_{name}", labels) or 0.0


def answered(method: str, route: str, status: str) -> float:
    """How many requests there were."""
    return shown("care_requests_total", method=method, route=route, status=status)


async def test_requests_are_counted_by_their_route(api: Caller, village: Village) -> None:
    """Two patients are one route; strangers are a 4xx; nobody's path is never a label."""
    seen, refused = ("GET", "/api/patients/{patient_id}", "2xx"), ("GET", "/api/me", "4xx")
    before, before_refused = answered(*seen), answered(*refused)
    timed = shown("care_request_seconds_count", route=seen[1])
    for who in ("zhang", "zhao"):
        answer = await api.get("admin", f"/api/patients/{village.patients[who]}")
        assert answer.status_code == 200
    assert (await api.get(None, "/api/me")).status_code == 401
    assert answered(*seen) == before + 2
    assert answered(*refused) == before_refused + 1
    assert shown("care_request_seconds_count", route=seen[1]) == timed + 2


async def test_what_is_asked_for_makes_no_series(client: httpx.AsyncClient) -> None:
    """Paths and methods that nobody serves are all one."""
    before = answered("other", "other", "4xx"), answered("GET", "other", "4xx")
    for number in range(20):
        await client.get(f"/wp-admin/{number}/secret-word")
        await client.request("PROPFIND", f"/files/secret-word-{number}")
    assert answered("other", "other", "4xx") == before[0] + 20
    assert answered("GET", "other", "4xx") == before[1] + 20
    assert b"secret-word" not in generate_latest()


async def test_a_wait_for_the_database_is_seen(database_url: str) -> None:
    """Whoever waits for the only connection is noted with how long, also who gave up."""
    name = "care_database_wait_seconds"
    async with make_pool(database_url, name="test wait", size=1) as pool:
        count, total = shown(f"{name}_count"), shown(f"{name}_sum")
        assert await gives_up(pool)
    assert shown(f"{name}_count") == count + 2
    assert shown(f"{name}_sum") - total >= 0.3


async def gives_up(pool: Pool) -> bool:
    """Whether a second one gives up after 0.3 s while the first one holds the connection."""
    async with measured.connection(pool, 10.0):
        try:
            async with asyncio.timeout(30), measured.connection(pool, 0.3):
                return False
        except measured.PoolTimeout:
            return True
