"""Promise 28: chaos by seed, and the ledger's verdict: exactly once in effect."""

from pathlib import Path

import pytest
from psycopg import AsyncConnection

from hub.soak import plan
from tests.fixtures.fix_trial import FULL, SEED, Trial, scale, until_async

pytestmark = [pytest.mark.loop, pytest.mark.timeout(1800)]
_SEEDS = range(SEED, SEED + (50 if FULL else 1))
_SECONDS = 60.0 if FULL else 12.0
_FAULTS = (
    *("kill-ingest", "kill-alerts", "kill-downlink", "kill-broker", "kill-postgres"),
    *("stop-postgres-immediate", "freeze-ingest", "freeze-broker", "freeze-postgres"),
    *("cut", "stall", "half-open"),
)


async def _alerts_are_behind(trial: Trial) -> int:
    async with await AsyncConnection.connect(trial.database_url) as conn:
        cursor = await conn.execute(
            "SELECT coalesce((SELECT max(id) FROM batch), 0) - position FROM feed_cursor"
            " WHERE consumer = 'alerts'"
        )
        return int((await cursor.fetchall())[0][0])


@pytest.mark.parametrize("seed", _SEEDS)
async def test_p28_chaos_by_seed_ends_in_an_exact_ledger(
    breakable: Trial, tmp_path: Path, seed: int
) -> None:
    """Kills, stops, freezes and a bad line at random: everything receipted is stored once, as it
    was sent, fed once, and the engine of alerts has seen all of it."""
    planned = plan.plan(seed, _SECONDS, _FAULTS, apart_s=1.5)
    tried = await breakable.run(tmp_path / "ledger", planned, seconds=_SECONDS, seed=seed)
    done = [one.name for one in planned]
    scale("p28", faults=done, messages=tried.fleet.sent, seconds=round(tried.seconds))
    tried.demand_exact()
    assert len(done) >= 3

    async def caught_up() -> bool:
        return await _alerts_are_behind(breakable) == 0

    await until_async(caught_up, 60.0)
