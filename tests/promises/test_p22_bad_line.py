"""Promise 22: half a second of delay, stalls, and cuts in mid-packet lose nothing, only time."""

import asyncio
from pathlib import Path

import pytest

from hub.soak.load import Load
from tests.fixtures.fix_trial import FULL, Trial, scale

pytestmark = [pytest.mark.loop, pytest.mark.timeout(900)]
_ROUNDS = 40 if FULL else 2


async def _misbehave(load: Load) -> int:
    """A slow line, in it stalls, and cuts after a few bytes of whatever is being sent."""
    cuts = 0
    load.proxy.delay(500)
    for n in range(_ROUNDS):
        await asyncio.sleep(1.0)
        cuts += load.proxy.cut_after(37 + 61 * n)
        await asyncio.sleep(1.5)
        load.proxy.stall(1.0, share=0.5)
        await asyncio.sleep(1.5)
        cuts += load.proxy.cut(share=0.5)
    load.proxy.delay(0)
    return cuts


async def test_p22_delay_stalls_and_cuts_lose_nothing(breakable: Trial, tmp_path: Path) -> None:
    """0 loss, every reading once, at the time it was measured."""
    accounts = await breakable.accounts(6)
    load = breakable.load(accounts, tmp_path / "ledger", seconds=4.0 * _ROUNDS)
    async with load:
        loading = asyncio.create_task(load.run())
        cuts = await _misbehave(load)
        fleet = await loading
    tried = await breakable.judged(load.ledger, fleet, 0.0)
    scale("p22", cut=cuts, messages=fleet.sent, sent_again=fleet.again)
    tried.demand_exact()
    assert cuts >= 3
    assert tried.verdict.unreceipted == 0
