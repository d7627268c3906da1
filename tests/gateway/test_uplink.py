"""From the cuff to the hub over a real broker: nothing lost, nothing twice under new numbers."""

from collections.abc import Callable

from tests.gateway.conftest import Running, until
from tests.gateway.meter_on_pty import MeterOnPty, frame
from tests.gateway.scripted_hub import ScriptedHub

Power = Callable[..., Running]


def morning(minute: int, sys: int = 138) -> bytes:
    """A record of 2026-03-04 08:`minute` in Shanghai: the test clock's morning."""
    return frame(sys, 86, 72, (2026, 3, 4, 8, minute))


async def test_a_reading_arrives_and_is_forgotten_on_the_receipt(
    power: Power, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """Bytes on a pty become one `obs` with the meter's minute in UTC; the spool empties."""
    running = power()
    await until(lambda: running.gateway.collector.link == "ready")
    meter.measured(morning(0))
    (body,) = await until(lambda: hub.of("obs"))
    series = body["ser"][0]
    assert (series["k"], series["dev"], series["o"]) == ("bp", "cuff1", [0])
    assert series["c"] == {"sys": [138.0], "dia": [86.0], "pr": [72.0]}
    assert (body["t"], body["clk"]) == (1772582400000, "ntp")
    await until(lambda: running.gateway.spool.depth() == 0)
    assert len(hub.of("obs")) == 1
