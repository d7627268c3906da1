"""Promise 11: a killed broker forgets its queue; devices send again, and nothing is lost."""

from pathlib import Path

import pytest

from hub.soak import plan
from tests.fixtures.fix_trial import FULL, SEED, Trial, scale

pytestmark = [pytest.mark.loop, pytest.mark.timeout(900)]
_KILLS = 20 if FULL else 3
_SECONDS = 240.0 if FULL else 9.0


async def test_p11_a_killed_broker_loses_nothing_end_to_end(
    breakable: Trial, tmp_path: Path
) -> None:
    """Kill -9 of Mosquitto under load: what it had acknowledged and forgotten comes again."""
    kills = plan.kill_points(SEED, _KILLS, _SECONDS, ["kill-broker"])
    tried = await breakable.run(tmp_path / "ledger", kills, seconds=_SECONDS)
    scale("p11", kills=_KILLS, messages=tried.fleet.sent)
    tried.demand_exact()
    assert tried.fleet.connects > tried.fleet.nodes, "nobody noticed that the broker was killed"
