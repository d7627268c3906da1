"""Safety rules 3, 4, 12 and 16: who is told, again and again, and how little is said."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from psycopg.errors import UniqueViolation

from alerts import actions
from alerts.engine import Engine
from contract.instants import to_millis
from runtime.clock import ManualClock
from store import episode as episodes
from tests.alerts.home import Home

Passes = Callable[[float], Awaitable[None]]
HOURS = timedelta(hours=1)


async def test_safety_03_a_second_call_is_a_second_emergency(home: Home, engine: Engine) -> None:
    """Two calls, two episodes; the same call sent again is the first."""
    first = await home.happens("call_doctor", "c1")
    await home.happens("call_doctor", "c2")
    await home.append([first])
    await engine.cycle()
    found = await home.episodes("call_for_help")
    assert [e["subject"] for e in found] == [f"{home.node}:c1", f"{home.node}:c2"]
    assert await home.told() == [home.staff[0]] * 2


async def test_safety_03_an_acknowledgement_covers_what_was_known(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """The same tier within 4 h is covered; it joins the episode without a page."""
    await _confirmed(home, engine, clock)
    await home.acknowledge((await home.episode())["id"], hours=12)
    await passes(2 * 3600)
    await _confirmed(home, engine, clock)
    episode = await home.episode()
    assert (episode["state"], len(episode["evidence"])) == ("acknowledged", 4)
    assert await home.told() == [home.staff[0]]


async def test_safety_03_a_higher_tier_pages_again(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """Acknowledged at 186, then 212: told again from the first step."""
    await _confirmed(home, engine, clock)
    await home.acknowledge((await home.episode())["id"], hours=12)
    await passes(1800)
    await home.bp(212, 118)
    await engine.cycle()
    episode = await home.episode()
    assert (episode["state"], episode["tier"], episode["round"]) == ("open", 3, 1)
    assert episode["acknowledged_at"] is None
    assert await home.told() == [home.staff[0]] * 2
    assert ("escalate", "higher_tier") in await home.history(episode["id"])


async def test_safety_03_a_renewed_confirmation_after_four_hours_pages_again(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """Also while the acknowledgement still holds."""
    await _confirmed(home, engine, clock)
    await home.acknowledge((await home.episode())["id"], hours=24)
    await passes(4 * 3600 + 60)
    await _confirmed(home, engine, clock)
    episode = await home.episode()
    assert episode["state"] == "open"
    assert await home.told() == [home.staff[0]] * 2
    assert ("escalate", "renewed") in await home.history(episode["id"])


async def test_safety_03_a_renewed_reading_without_a_repeat_pages_at_the_deadline(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """An old acknowledgement does not silence a new critical value that nobody repeats."""
    await _confirmed(home, engine, clock)
    await home.acknowledge((await home.episode())["id"], hours=24)
    await passes(5 * 3600)
    await home.bp(188, 112)
    await passes(359)
    assert await home.told() == [home.staff[0]]
    await passes(1)
    assert await home.told() == [home.staff[0]] * 2


async def test_safety_03_a_normal_repeat_ends_the_second_waiting(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """Under an acknowledgement, too, a refuted reading pages nobody at its deadline."""
    await _confirmed(home, engine, clock)
    await home.acknowledge((await home.episode())["id"], hours=24)
    await passes(5 * 3600)
    await home.bp(188, 112)
    await passes(120)
    await home.bp(140, 85)
    await passes(600)
    episode = await home.episode()
    assert (episode["state"], episode["confirm_by"]) == ("acknowledged", None)
    assert await home.told() == [home.staff[0]]


async def test_safety_03_an_expired_acknowledgement_returns_and_pages_nobody(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """After an hour it is open on the worklist; nothing old pages by itself, nothing is lost."""
    await _confirmed(home, engine, clock)
    await home.acknowledge((await home.episode())["id"])
    await passes(3600)
    episode = await home.episode()
    assert (episode["state"], episode["escalate_at"]) == ("open", None)
    await passes(48 * 3600)
    assert (await home.episode("severe_pressure"))["state"] == "open"
    assert await home.told() == [home.staff[0]]
    assert ("acknowledgement_expired", "time_over") in await home.history(episode["id"])


async def test_safety_03_the_schema_refuses_a_second_open_episode(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """One open episode per patient, rule and subject, whatever an engine believes."""
    await home.bp(210, 125)
    await engine.cycle()
    known = await episodes.find(home.conn, (await home.episode())["id"])
    assert known is not None
    with pytest.raises(UniqueViolation):
        await episodes.insert(home.conn, known)


async def _confirmed(home: Home, engine: Engine, clock: ManualClock) -> None:
    await home.bp(186, 112)
    await engine.cycle()
    clock.advance(120)
    await home.bp(188, 112)
    await engine.cycle()


@pytest.mark.parametrize(
    ("have", "via"),
    [
        ("patient", "patient_team"),
        ("household", "household_team"),
        ("duty", "duty_team"),
        ("area", "area_team"),
        ("", "administrators"),
        # and the nearer before the farther, where there are both
        ("patient household duty", "patient_team"),
        ("household duty area", "household_team"),
        ("duty area", "duty_team"),
    ],
)
async def test_safety_04_a_call_always_lands(
    home: Home, engine: Engine, have: str, via: str
) -> None:
    """Patient's team, else household's, duty team above, a team around, administrators."""
    county = await home.make.area("县", level="county")
    village = await home.make.area("村", parent=county)
    where = {"area": county}
    team = {n: await home.make.team(where.get(n, home.area), n) for n in have.split()}
    people = [await home.person(team[name]) for name in have.split()]
    admin = await home.person(None, role="admin")
    await home.conn.execute(
        "UPDATE area SET duty_team_id = %s WHERE id = %s", (team.get("duty"), county)
    )
    household = await home.make.household(village, team.get("household"))
    node = await home.make.node(village, household_id=household)
    own = team.get("patient")
    patient = await home.make.patient(village, team_id=own) if own else None
    await home.happens("sos", patient=patient, node=node)
    await engine.cycle()
    assert (await home.episode())["policy"]["via"] == via
    assert await home.told() == [people[0] if people else admin]


async def test_safety_04_a_team_without_people_is_passed_over(home: Home, engine: Engine) -> None:
    """The patient's team is empty: whoever is next is told, never nobody."""
    empty = await home.make.team(home.area, "empty")
    patient = await home.make.patient(home.area, team_id=empty)
    await home.happens("sos", patient=patient)
    await engine.cycle()
    assert await home.told() == [home.staff[0]]


async def test_safety_04_any_rate_any_type_the_device_calls_critical(
    home: Home, engine: Engine
) -> None:
    """Twenty calls are twenty episodes; an unknown critical event is one too."""
    for number in range(20):
        await home.happens("call_doctor", f"c{number}", sev="critical")
    await home.happens("smoke", "x1", sev="critical", patient=None)
    await home.happens("device_fault", "x2", sev="warning")
    await engine.cycle()
    assert len(await home.episodes("call_for_help")) == 21


async def test_safety_04_progress_is_said_to_the_device(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """notified, answered, closed, each with words in both languages."""
    await home.happens("call_doctor", "c1")
    await engine.cycle()
    episode = await home.episode()
    await home.acknowledge(episode["id"])
    await home.resolve(episode["id"])
    said = await home.feedback()
    assert [(one["kind"], one["st"], one["ref"]["id"]) for one in said] == [
        ("fb", "notified", "c1"),
        ("fb", "answered", "c1"),
        ("fb", "closed", "c1"),
    ]
    assert said[1]["say"]["zh-CN"].startswith("医生已收到")
    assert all(one["say"]["en"] for one in said)


async def test_a_call_is_taken_back_on_the_device(
    home: Home, engine: Engine, passes: Passes
) -> None:
    """cancel withdraws the episode and stops the ladder, whichever of the two arrives first."""
    await home.happens("sos", "c1")
    await engine.cycle()
    await home.happens("cancel", "c1x", ref="c1")
    await home.happens("cancel", "c2x", ref="c2")
    await engine.cycle()
    await home.happens("sos", "c2")
    await passes(3600)
    first, second = await home.episodes()
    assert first["outcome"] == second["outcome"] == "withdrawn"
    assert await home.told() == [home.staff[0]]
    assert ("end", "cancelled_on_device") in await home.history(second["id"])


async def test_a_call_somebody_has_in_hand_is_not_taken_away(home: Home, engine: Engine) -> None:
    """A cancel after the acknowledgement is noted; the person closes it."""
    await home.happens("fall", "c1")
    await engine.cycle()
    episode = await home.episode()
    await home.acknowledge(episode["id"])
    await home.happens("cancel", "c1x", ref="c1")
    await engine.cycle()
    assert (await home.episode())["state"] == "acknowledged"
    assert ("de-escalate", "cancelled_on_device") in await home.history(episode["id"])


async def test_safety_12_after_the_last_step_it_starts_again_and_the_device_says_so(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """Nobody answers for two hours: round after round, and the number to call.

    The device says so when the last step has had its five minutes, before the ladder restarts.
    """
    start = clock.now()
    await home.happens("call_doctor", "c1")
    await passes(0)
    for _ in range(48):
        await passes(150)
    told = await home.told()
    assert told[:6] == home.staff * 2
    assert len(told) >= 3 * 5
    silent = [one for one in await home.feedback() if one["st"] == "unanswered"]
    assert len(silent) >= (await home.episode())["round"] >= 5
    assert silent[0]["t"] - to_millis(start) == 15 * 60 * 1000
    assert "120" in silent[0]["say"]["zh-CN"]
    assert "120" in silent[0]["say"]["en"]


@pytest.mark.parametrize("left", [0, 1])
async def test_safety_12_each_round_goes_to_whoever_is_there_now(
    home: Home, engine: Engine, passes: Passes, left: int
) -> None:
    """The whole team had left, or there was never anybody: who comes later is told."""
    await home.conn.execute("UPDATE staff SET disabled_at = now() WHERE %s = 0", (left,))
    await home.happens("call_doctor", "c1")
    await engine.cycle()
    await home.conn.execute("UPDATE staff SET disabled_at = now()")
    new = await home.person(home.team, 1)
    for _ in range(5):
        await passes(300)
    assert (await home.told())[-1] == new


async def test_safety_12_for_a_reading_the_device_is_told_too(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """A severe pressure nobody answers: a spoken reminder with the number."""
    await home.bp(210, 125)
    for _ in range(4):
        await passes(600)
    said = [one for one in await home.feedback() if one["kind"] == "reminder"]
    assert "120" in said[0]["text"]["zh-CN"]


async def test_acknowledged_while_it_waits_nobody_is_paged(
    home: Home, engine: Engine, passes: Passes
) -> None:
    """Somebody saw the pending episode and took it: the deadline tells nobody."""
    await home.bp(186, 112)
    await engine.cycle()
    await home.acknowledge((await home.episode())["id"], hours=10)
    await passes(3600)
    episode = await home.episode()
    assert (episode["state"], episode["confirmation"]) == ("acknowledged", "unconfirmed")
    assert await home.told() == []


async def test_medium_climbs_the_ladder_once(home: Home, engine: Engine, passes: Passes) -> None:
    """Low pressure: each step once, then the worklist."""
    await home.bp(86, 50)
    await passes(360)
    for _ in range(12):
        await passes(300)
    assert await home.told() == home.staff
    episode = await home.episode()
    assert (episode["state"], episode["escalate_at"]) == ("open", None)


async def test_safety_16_what_leaves_says_little(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """No name, no value; both only for an address the team has allowed it for."""
    await home.conn.execute("UPDATE patient SET name = '李秀英'")
    closed = await home.webhook("http://127.0.0.1:9/a")
    allowed = await home.webhook("http://127.0.0.1:9/b", team_id=home.team, shows_patient=True)
    await home.bp(213, 117)
    await engine.cycle()
    rows = await home.all("SELECT contact_id, body::text AS text FROM notification")
    said = {row["contact_id"]: row["text"] for row in rows}
    for secret in ("李秀英", "213", "117"):
        assert secret not in said[closed]
        assert secret not in said[None]
        assert secret in said[allowed]
    await engine.outbox.settled()


async def test_actions_are_for_those_in_scope(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """Somebody of another county can neither acknowledge nor resolve; nor can anybody twice."""
    await home.bp(210, 125)
    await engine.cycle()
    episode_id = (await home.episode())["id"]
    elsewhere = await home.make.area("别处", level="county")
    stranger = await home.person(await home.make.team(elsewhere, "other"))
    with pytest.raises(actions.NotInScopeError):
        await home.acknowledge(episode_id, by=stranger)
    with pytest.raises(actions.UnknownOutcomeError):
        await home.resolve(episode_id, outcome="withdrawn")
    with pytest.raises(actions.NextStepMissingError):
        await home.resolve(episode_id, next_step="  ")
    await home.resolve(episode_id)
    with pytest.raises(actions.AlreadyClosedError):
        await home.acknowledge(episode_id)
    assert (await home.history(episode_id))[-1] == ("end", "controlled")
