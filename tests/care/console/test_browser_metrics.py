"""Open pages are counted: those that keep fresh, for as long as they are open."""

import asyncio
import time

import httpx
import pytest
from playwright.async_api import expect

from tests.care.console.conftest import Village

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
_PATIENCE_S = 60.0


async def _figures(url: str) -> dict[str, float]:
    async with httpx.AsyncClient(trust_env=False, timeout=60.0) as client:
        text = (await client.get(url)).text
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


async def _until_open(url: str, pages: float) -> None:
    until = time.monotonic() + _PATIENCE_S
    while (await _figures(url)).get("hearthbeat_care_live_pages", 0.0) != pages:
        assert time.monotonic() < until, "not in time"
        await asyncio.sleep(0.1)


async def test_open_pages_are_counted(village: Village, metrics_url: str) -> None:
    """One page more while it is open, none when it is closed; its route is told, not its id."""
    await _until_open(metrics_url, 0)
    async with village.tab(await village.signed_in()) as tab:
        await tab.go(f"/patients/{village.patient}")
        await expect(tab.page.locator(".freshness")).to_contain_text("实时更新")
        await _until_open(metrics_url, 1)
    await _until_open(metrics_url, 0)
    figures = await _figures(metrics_url)
    labels = 'method="GET",route="/patients/{patient_id}",status="2xx"'
    assert figures[f"hearthbeat_care_requests_total{{{labels}}}"] >= 1
    assert not any(f"/patients/{village.patient}" in name for name in figures)
