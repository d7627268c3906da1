"""The loop on real PostgreSQL with the time turned by hand: severe, repeat, page, ladder, end."""

from collections.abc import Awaitable, Callable

from alerts import actions
from alerts.engine import Engine
from runtime.clock import ManualClock
from tests.alerts.home import Home

Passes = Callable[[float], Awaitable[None]]


async def test_severe_repeat_page_and_the_whole_ladder(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """Severe, asked, repeated high, then one step each five minutes and the ladder again."""
    await home.bp(186, 112)
    await engine.cycle()
    episode = await home.episode()
    assert (episode["state"], episode["confirmation"]) == ("pending", "waiting")
    assert [command["op"] for command in await home.commands()] == ["measure_now", "ask"]
    assert await home.told() == []

    clock.advance(180)
    await home.bp(190, 114)
    await engine.cycle()
    episode = await home.episode()
    assert (episode["state"], episode["confirmation"]) == ("open", "confirmed")
    first, second, third = home.staff
    assert await home.told() == [first]
    await passes(299)
    assert await home.told() == [first]
    await passes(1)
    assert await home.told() == [first, second]
    await passes(300)
    assert await home.told() == [first, second, third]
    await passes(599)
    assert await home.told() == [first, second, third]
    await passes(1)
    assert await home.told() == [first, second, third, first]
    assert (await home.episode())["round"] == 1

    await actions.acknowledge(home.conn, episode_id=episode["id"], staff_id=second, now=clock.now())
    await passes(3 * 3600)
    assert await home.told() == [first, second, third, first]
