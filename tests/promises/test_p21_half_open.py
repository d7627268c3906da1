"""Promise 21: a peer that is gone without a word is noticed within one and a half keep-alives."""

import asyncio
from pathlib import Path
from typing import Final

import pytest
from psycopg import AsyncConnection

from firmware_sim.fleet import Proxy
from tests.fixtures.fix_trial import Trial, scale, until_async

pytestmark = [pytest.mark.loop, pytest.mark.timeout(300)]
_KEEP_ALIVE_S: Final = 4
_WILL_DELAY_S: Final = 1
# The broker looks every few seconds, the state is stored after it spoke, and machines are busy.
_SLACK_S: Final = 15.0


async def _states(trial: Trial) -> dict[str, str]:
    async with await AsyncConnection.connect(trial.database_url) as conn:
        return dict(await (await conn.execute("SELECT node_id, state FROM node_state")).fetchall())


async def test_p21_a_device_behind_a_dead_line_is_offline_soon(
    breakable: Trial, tmp_path: Path
) -> None:
    """The line swallows everything: the broker speaks the device's will, and the hub knows that it
    is lost; when the line is back, so is the device, and nothing it measured is missing."""
    accounts = await breakable.accounts(4)
    nodes = {account.node for account in accounts}
    options = {"keep_alive_s": _KEEP_ALIVE_S, "will_delay_s": _WILL_DELAY_S}

    async def all_are(state: str) -> bool:
        found = await _states(breakable)
        return all(found.get(node) == state for node in nodes)

    async with breakable.load(
        accounts, tmp_path / "ledger", seconds=3600.0, rate=20.0, **options
    ) as load:
        loading = asyncio.create_task(load.run())
        try:
            await until_async(lambda: all_are("ready"), 60.0)
            load.proxy.refuse()
            assert load.proxy.half_open() == len(nodes)
            noticed_s = await until_async(
                lambda: all_are("lost"), 1.5 * _KEEP_ALIVE_S + _WILL_DELAY_S + _SLACK_S
            )
            load.proxy.heal()
            await until_async(lambda: all_are("ready"), 60.0)
            load.fleet.stop()
            fleet = await loading
        finally:
            loading.cancel()
    scale("p21", keep_alive_s=_KEEP_ALIVE_S, noticed_s=round(noticed_s, 1))
    (await breakable.judged(load.ledger, fleet, noticed_s)).demand_exact()


async def test_p21_ingest_leaves_a_broker_that_says_nothing(bare: Trial, tmp_path: Path) -> None:
    """Ingest's own connection is dead: it opens another, and what came meanwhile is stored."""
    accounts = await bare.accounts(4)
    hub_port = int((bare.hub.data / "mosquitto" / "hub_port").read_text())
    async with Proxy(0, "127.0.0.1", hub_port) as line:
        with bare.ingest(broker_port=line.port, keep_alive_s=_KEEP_ALIVE_S):
            async with bare.load(
                accounts, tmp_path / "ledger", seconds=3600.0, rate=40.0, obey_hub_status=False
            ) as load:
                loading = asyncio.create_task(load.run())

                async def receipts() -> bool:
                    return load.fleet.summary().receipted > before

                before = 0
                await until_async(receipts, 60.0)
                assert line.half_open() == 2, "ingest has two connections"
                await asyncio.sleep(0.5)
                before = load.fleet.summary().receipted
                noticed_s = await until_async(receipts, 1.5 * _KEEP_ALIVE_S + _SLACK_S)
                load.fleet.stop()
                fleet = await loading
    scale("p21", keep_alive_s=_KEEP_ALIVE_S, ingest_noticed_s=round(noticed_s, 1))
    (await bare.judged(load.ledger, fleet, noticed_s)).demand_exact()
