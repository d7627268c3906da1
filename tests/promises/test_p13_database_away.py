"""Promise 13: the database is away for long; nothing grows, it is told, and it heals by itself."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest

from firmware_sim.fleet import Account
from hub.soak.sampling import look
from tests.fixtures.fix_trial import FULL, Trial, scale, until_async

pytestmark = [pytest.mark.loop, pytest.mark.timeout(3600)]
_AWAY_S = 1800.0 if FULL else 8.0
_GROWTH_BYTES = 50 * 1024**2
# Per connection and lane; one more may be on its way.
_IN_HAND = 2 * (1000 + 1)


@contextlib.asynccontextmanager
async def _statuses(trial: Trial, account: Account) -> AsyncIterator[list[str]]:
    """What hub/status says, as a device hears it."""
    heard: list[str] = []

    async def listen() -> None:
        port = trial.hub.addresses()["mqtt_port"]
        login = {"username": account.node, "password": account.password}
        async with aiomqtt.Client("127.0.0.1", port, identifier=account.node, **login) as client:
            await client.subscribe("hh/1/hub/status", qos=1)
            async for message in client.messages:
                said = json.loads(bytes(message.payload))  # type: ignore[arg-type]
                heard.append(said["s"])

    listening = asyncio.create_task(listen())
    try:
        yield heard
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _watch(trial: Trial, parts: dict[str, int], most: dict[str, float]) -> None:
    """The most that was held, and the most memory, while it lasts."""
    while True:
        held = await trial.metric("hearthbeat_ingest_unacknowledged")
        most["in_hand"] = max(most.get("in_hand", 0.0), held)
        for part, pid in parts.items():
            seen = look([pid])
            most[part] = max(most.get(part, 0.0), seen.rss if seen else 0.0)
        await asyncio.sleep(0.5)


async def test_p13_a_database_that_is_away_is_told_and_bounded(
    breakable: Trial, tmp_path: Path
) -> None:
    """Hub status degraded, a technical alarm by a way without the database, memory and messages in
    hand bounded; when it is back everything is stored, without a hand."""
    listener, *accounts = await breakable.accounts(7)
    parts = {part: breakable.hub.pid(part) for part in ("ingest", "mosquitto")}
    before = {part: look([pid]) for part, pid in parts.items()}
    most: dict[str, float] = {}

    async def says(status: str, phase: str) -> bool:
        return heard[-1:] == [status] and ("database_away", phase) in breakable.told()[told_before:]

    load = breakable.load(tuple(accounts), tmp_path / "ledger", seconds=_AWAY_S + 6.0, rate=100.0)
    async with _statuses(breakable, listener) as heard, load:
        loading = asyncio.create_task(load.run())
        await asyncio.sleep(3.0)
        watching = asyncio.create_task(_watch(breakable, parts, most))
        async with load.breaker.postgres_away():
            told_before = len(breakable.told())
            await asyncio.sleep(_AWAY_S)
            await until_async(lambda: says("degraded", "begin"), 60.0)
        began = time.monotonic()
        await until_async(lambda: says("ready", "over"), 90.0)
        fleet = await loading
        watching.cancel()
    tried = await breakable.judged(load.ledger, fleet, time.monotonic() - began)
    scale("p13", away_s=_AWAY_S, messages=fleet.sent, **most)
    tried.demand_exact()
    assert 0 < most["in_hand"] <= _IN_HAND
    for part, reading in before.items():
        assert reading is not None
        assert most[part] - reading.rss < _GROWTH_BYTES, part
