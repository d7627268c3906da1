"""Safety rules 10 and 14: what only a timer finds, plans that did not arrive and silence."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from alerts.engine import Engine
from runtime.clock import ManualClock
from tests.alerts.home import Home

Passes = Callable[[float], Awaitable[None]]
HOURS = timedelta(hours=1)


async def test_safety_10_an_edit_not_confirmed_in_ten_minutes_is_a_work_item(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """Opens after 10 min, closes itself on confirmation, comes anew with the next edit."""
    await home.plan_item()
    await home.conn.execute(
        "INSERT INTO plan (node_id, edited_at, holds_until) VALUES (%s, %s, %s)",
        (home.node, clock.now(), clock.now() + 336 * HOURS),
    )
    await passes(600)
    assert await home.episodes() == []
    await passes(20)
    episode = await home.episode("plan_not_confirmed")
    assert (episode["priority"], episode["patient_id"]) == ("low", home.patient)
    assert await home.told() == []
    await home.conn.execute(
        "UPDATE plan SET published_edit = 1, edit_revision = 1, revision = 1,"
        " confirmed_revision = 1, confirmed_until = holds_until"
    )
    await passes(20)
    assert (await home.episode("plan_not_confirmed"))["outcome"] == "withdrawn"


async def test_safety_10_a_work_item_somebody_closed_stays_closed(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """They have telephoned; only another edit opens another."""
    await home.plan_item()
    await home.conn.execute(
        "INSERT INTO plan (node_id, edited_at, holds_until) VALUES (%s, %s, %s)",
        (home.node, clock.now(), clock.now() + 336 * HOURS),
    )
    await passes(620)
    await home.resolve((await home.episode("plan_not_confirmed"))["id"])
    await passes(3600)
    assert len(await home.episodes("plan_not_confirmed")) == 1
    await home.conn.execute("UPDATE plan SET edit = 2, edited_at = %s", (clock.now(),))
    await passes(660)
    assert len(await home.episodes("plan_not_confirmed")) == 2


async def test_safety_10_less_than_48_hours_left_is_a_technical_alarm(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """The device holds too little: technical, on the team's worklist, nobody is paged."""
    await home.plan_item()
    await home.conn.execute(
        "INSERT INTO plan (node_id, edited_at, published_edit, edit_revision, revision,"
        " holds_until, confirmed_revision, confirmed_until) VALUES (%s, %s, 1, 1, 1, %s, 1, %s)",
        (
            *(home.node, clock.now() - 100 * HOURS),
            *(clock.now() + 336 * HOURS, clock.now() + 49 * HOURS),
        ),
    )
    await engine.cycle()
    assert await home.episodes() == []
    await passes(2 * 3600)
    episode = await home.episode()
    assert (episode["rule"], episode["priority"]) == ("plan_running_out", "technical")
    assert await home.told() == []
    assert await home.told(pages=False) == [home.staff[0]]


async def test_safety_14_silence_is_found_and_says_whom_to_call(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """Three days: the gateway away, then back with the cuff lost, then only the person."""
    await home.conn.execute("UPDATE patient SET created_at = %s", (clock.now(),))
    await home.bp(130, 80)
    await home.make.node_state(home.node, "lost")
    await passes(3 * 86_400 - 60)
    assert await home.episodes() == []
    await passes(120)
    episode = await home.episode()
    assert (episode["reason"], episode["priority"]) == ("gateway_silent", "technical")
    for state, link, reason in (
        ("ready", "lost", "device_silent"),
        ("ready", "out_of_range", "device_out_of_range"),
        ("ready", "sleeping", "person_did_not_measure"),
    ):
        await home.conn.execute(
            "UPDATE node_state SET state = %s, subs = jsonb_build_object('cuff1', %s::text)",
            (state, link),
        )
        await passes(61)
        assert (await home.episode())["reason"] == reason
    assert (await home.episode())["priority"] == "low"
    await home.bp(128, 78)
    await passes(61)
    assert (await home.episode())["outcome"] == "withdrawn"


async def test_safety_14_who_never_measured_is_silent_since_enrolment(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """Without a single reading the time runs from the day of enrolment."""
    await home.conn.execute("UPDATE patient SET created_at = %s", (clock.now() - 73 * HOURS,))
    await engine.cycle()
    assert (await home.episode())["reason"] == "gateway_never_seen"


async def test_silence_somebody_dealt_with_comes_back_after_another_interval(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """Resolved: quiet for three days; still nothing measured: a new work item."""
    await home.conn.execute("UPDATE patient SET created_at = %s", (clock.now() - 73 * HOURS,))
    await engine.cycle()
    await home.resolve((await home.episode())["id"], outcome="called")
    await passes(71 * 3600)
    assert len(await home.episodes()) == 1
    await passes(2 * 3600)
    assert [e["state"] for e in await home.episodes()] == ["closed", "open"]
