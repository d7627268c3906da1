"""Promise 15: the disk is full; nothing is receipted that is not stored, and it is told."""

import asyncio
from pathlib import Path

import pytest

from firmware_sim.fleet import Mischief, Mix
from tests.fixtures.fix_trial import FULL, Trial, scale, until_async

pytestmark = [pytest.mark.loop, pytest.mark.timeout(900)]
_FULL_S = 120.0 if FULL else 6.0


async def test_p15_a_full_disk_loses_nothing_and_is_told(on_a_disk: Trial, tmp_path: Path) -> None:
    """No room left: an alarm and a metric say `disk_full`, receipts stop; with room again it goes
    on by itself, in the same hub, and everything receipted is stored."""
    disk = on_a_disk.disk
    assert disk is not None
    hub = on_a_disk.hub.process.pid
    accounts = await on_a_disk.accounts(6)
    told_before = len(on_a_disk.told())

    async def told(phase: str) -> bool:
        return ("disk_full", phase) in on_a_disk.told()[told_before:]

    async def stores_nothing() -> bool:
        before = load.fleet.summary().receipted
        await asyncio.sleep(3.0)
        return load.fleet.summary().receipted == before

    # Blocks fill pages quickly, and nobody holds them back.
    heavy = {"mix": Mix(single=0.2, block=1.0), "mischief": Mischief(), "obey_hub_status": False}
    load = on_a_disk.load(accounts, tmp_path / "ledger", seconds=3600.0, rate=250.0, **heavy)
    async with load:
        loading = asyncio.create_task(load.run())
        try:
            await asyncio.sleep(1.0)
            await asyncio.to_thread(disk.fill)
            await until_async(lambda: told("begin"), 30.0)
            assert await on_a_disk.metric("hearthbeat_disk_full", room="hub") == 1.0
            stopped_s = await until_async(stores_nothing, 90.0)
            load.fleet.stop()
            await asyncio.sleep(_FULL_S)
            held = load.fleet.summary().open
            disk.make_room()
            await until_async(lambda: told("over"), 30.0)
            fleet = await loading
        finally:
            disk.make_room()
            loading.cancel()
    tried = await on_a_disk.judged(load.ledger, fleet, 0.0)
    scale("p15", messages=fleet.sent, held=held, stopped_s=round(stopped_s, 1))
    assert held > 0, "the disk was not full"
    tried.demand_exact()
    assert on_a_disk.hub.process.pid == hub
    assert await on_a_disk.metric("hearthbeat_disk_full", room="hub") == 0.0
