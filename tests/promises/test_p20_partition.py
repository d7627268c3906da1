"""Promise 20: a partition between devices and broker; all of it comes later, live data meanwhile.

A day is compressed: what the cut-off nodes measured is a day old, and the line is away for
seconds. What they owe is delivered at the devices' pace for backlog.
"""

import asyncio
import time
from pathlib import Path

import pytest

from hub.soak.verify import verify
from tests.fixtures.fix_trial import FULL, SEED, Trial, scale, until_async

pytestmark = [pytest.mark.loop, pytest.mark.timeout(1800)]
_AWAY_S = 300.0 if FULL else 6.0
_RATE = 60.0
_DAY_MS = 86_400_000
# Live data is stored within five seconds by promise; a machine with other work may need more.
_LIVE_MS = 5000.0 if FULL else 15_000.0


async def test_p20_what_a_partition_held_back_comes_and_live_data_meanwhile(
    breakable: Trial, tmp_path: Path
) -> None:
    """Full backfill with the times it was measured at; others are receipted as ever."""
    accounts = await breakable.accounts(12)
    yesterday = time.time_ns() // 1_000_000 - _DAY_MS
    # Long runs: both end by `stop`.
    run = {"seconds": 3600.0, "rate": _RATE}
    behind = breakable.load(accounts[:6], tmp_path / "behind", start_ms=yesterday, **run)
    live = breakable.load(accounts[6:], tmp_path / "live", **{**run, "seed": SEED + 1})
    async with behind, live:
        loading = asyncio.create_task(behind.run())
        await asyncio.sleep(2.0)
        behind.proxy.refuse()
        behind.proxy.cut()
        await asyncio.sleep(_AWAY_S)
        behind.fleet.stop()
        owed = behind.fleet.summary().open + behind.fleet.summary().held
        living = asyncio.create_task(live.run())
        await asyncio.sleep(1.0)
        behind.proxy.heal()
        backfilled = await loading

        async def enough() -> bool:
            return live.fleet.summary().receipted >= 3 * _RATE

        await until_async(enough, 60.0)
        live.fleet.stop()
        lived = await living
    scale("p20", away_s=_AWAY_S, owed=owed, live_p99_ms=lived.receipt_p99_ms)
    for ledger in (behind.ledger, live.ledger):
        verdict = await verify(ledger, breakable.database_url)
        assert verdict.faults == {}, verdict.samples
        assert verdict.unreceipted == 0
    assert owed >= 0.5 * _RATE * _AWAY_S
    assert backfilled.connects >= 12
    assert lived.receipt_p99_ms is not None
    assert lived.receipt_p99_ms < _LIVE_MS
