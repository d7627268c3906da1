"""Promise 1: sustained ingest. Nothing is lost, and the memory of no room grows.

HEARTHBEAT_SUSTAINED_MINUTES is how long the full scale lasts at 5,000 messages a second; 60 is
what the promise says, and needs about 10 GB for database and ledger.
"""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_sim.fleet import Fleet, FleetOptions, Summary
from hub.soak.actions import family
from hub.soak.growth import Sample, growth
from hub.soak.run import PARTS
from hub.soak.sampling import look
from tests.fixtures.fix_place import short_lived_directory
from tests.fixtures.fix_trial import FULL, SEED, Trial, Tried, scale, trial

_MINUTES = float(os.environ.get("HEARTHBEAT_SUSTAINED_MINUTES", "10"))
pytestmark = [pytest.mark.loop, pytest.mark.timeout(900 + 150 * _MINUTES)]
_SAMPLE_EVERY_S = 1.0
# 1 % an hour; a run that is shorter is too short to tell less than 1 % from chance.
_MAY_RISE = 0.01
_LONG_ENOUGH_S = 300.0
# Its memory is what it is configured to share between its processes, and fills up to that.
_GROWS_ON_PURPOSE = frozenset({"postgres"})
# Messages a second, seconds, nodes.
_LOADS = ((1000.0, 60.0, 200), (5000.0, _MINUTES * 60, 1000)) if FULL else ((500.0, 8.0, 100),)


class Memory:
    """Resident memory of every part of a hub, sampled while a block runs."""

    def __init__(self, of: Trial) -> None:
        self._of = of
        self.samples: defaultdict[str, list[Sample]] = defaultdict(list)

    async def watch(self) -> None:
        """Sample until cancelled."""
        began = time.monotonic()
        while True:
            for part in PARTS:
                reading = look(family(self._of.hub.pid(part)))
                if reading is not None:
                    sample = Sample(time.monotonic() - began, reading.rss)
                    self.samples[part].append(sample)
            await asyncio.sleep(_SAMPLE_EVERY_S)

    def rises(self) -> dict[str, float]:
        """By which share each part grew once it was warm, of a long run in an hour; printed."""
        rises = {}
        for part, samples in self.samples.items():
            line = growth(samples)
            if line is not None:
                most = max(one.rss for one in samples) / 1e6
                per_h = f"{line.share_per_h:+.2%}" if line.seconds > 30 else "too short to say"
                scale("p01", part=part, rss_mb_most=round(most, 1), growth_per_h=per_h)
                rises[part] = line.rise / max(1.0, line.seconds / 3600)
        return rises


@pytest.fixture
def sustaining(request: pytest.FixtureRequest) -> Iterator[Trial]:
    """The session's hub in the small; at full scale one of its own that nobody has broken."""
    if not FULL:
        yield request.getfixturevalue("breakable")
        return
    with short_lived_directory("sustained") as place:
        place.chmod(0o755)
        with trial(place) as made:
            yield made


async def _loaded(hub: Trial, options: FleetOptions) -> tuple[Summary, Memory]:
    memory = Memory(hub)
    watching = asyncio.create_task(memory.watch())
    try:
        return await Fleet(options).run(), memory
    finally:
        watching.cancel()


@pytest.mark.parametrize(("rate", "seconds", "nodes"), _LOADS)
async def test_p01_a_sustained_load_loses_nothing(
    sustaining: Trial, tmp_path: Path, rate: float, seconds: float, nodes: int
) -> None:
    """Everything that was made is receipted, and there once as it was sent; memory is flat."""
    options = FleetOptions(
        broker=f"mqtt://127.0.0.1:{sustaining.hub.addresses()['mqtt_port']}",
        accounts=await sustaining.accounts(nodes),
        ledger=tmp_path / "ledger",
        seed=SEED,
        rate=rate,
        minutes=seconds / 60,
        settle_s=120.0 + seconds,
    )
    began = time.monotonic()
    fleet, memory = await _loaded(sustaining, options)
    took = time.monotonic() - began
    tried: Tried = await sustaining.judged(options.ledger, fleet, took)
    scale("p01", rate=rate, seconds=seconds, nodes=nodes, messages=fleet.sent, took_s=round(took))
    scale("p01", receipt_p50_ms=fleet.receipt_p50_ms, receipt_p99_ms=fleet.receipt_p99_ms)
    tried.demand_exact()
    rises = memory.rises()
    assert rises.keys() >= {"ingest", "postgres", "mosquitto"}
    if seconds >= _LONG_ENOUGH_S:
        assert fleet.made >= 0.5 * rate * seconds, "the machine could not even make the load"
        grown = {part: rise for part, rise in rises.items() if part not in _GROWS_ON_PURPOSE}
        assert max(grown.values()) < _MAY_RISE, grown
