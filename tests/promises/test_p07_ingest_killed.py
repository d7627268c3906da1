"""Promise 7: ingest is killed at any moment; what was receipted is stored, once."""

import asyncio
import random
import time
from pathlib import Path

import pytest

from hub.soak.load import Load
from tests.fixtures.fix_trial import FULL, SEED, Ingest, Trial, scale, until_async

pytestmark = [pytest.mark.loop, pytest.mark.timeout(5400)]
_KILLS = 200 if FULL else 4
# Until it is stopped; what has no receipt comes again soon.
_RUN = {"seconds": 7200.0, "rate": 80.0, "resend_s": 3.0}
_CAUGHT_UP_S = 30.0 if FULL else 60.0


async def _kill_again_and_again(load: Load, ingest: Ingest) -> list[float]:
    """Each time when it works: between receiving and receipt as likely as anywhere. Seconds until
    it receipted again."""
    dice, took = random.Random(SEED), []
    for _ in range(_KILLS):
        before = load.fleet.summary().receipted
        took.append(await until_async(lambda: _grew(load, before), 60.0))  # noqa: B023
        await asyncio.sleep(dice.uniform(0.0, 0.4))
        ingest.kill()
        ingest.start()
    load.fleet.stop()
    return took


async def _grew(load: Load, before: int) -> bool:
    return load.fleet.summary().receipted > before


async def test_p07_a_killed_ingest_loses_and_doubles_nothing(bare: Trial, tmp_path: Path) -> None:
    """Kill -9 under load, again and again: everything receipted is stored once and fed once, and
    half a minute after the last kill nobody waits for a receipt any more."""
    accounts = await bare.accounts(8)
    with bare.ingest() as ingest:
        async with bare.load(accounts, tmp_path / "ledger", **_RUN) as load:
            loading = asyncio.create_task(load.run())
            try:
                took = await _kill_again_and_again(load, ingest)
                began = time.monotonic()
                fleet = await loading
            finally:
                loading.cancel()
        tried = await bare.judged(load.ledger, fleet, time.monotonic() - began)
    again_s = sorted(round(each, 1) for each in took)
    scale("p07", kills=_KILLS, messages=fleet.sent, again_s=(again_s[0], again_s[-1]))
    scale("p07", caught_up_s=round(tried.seconds, 1))
    tried.demand_exact()
    assert tried.seconds < _CAUGHT_UP_S
