"""Safety rules 6, 8, 11 and 13: what confirms, what refutes, what does not wait, and no longer."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from alerts.engine import Engine
from alerts.settings import AlertsSettings
from runtime.clock import ManualClock
from store.pool import Pool
from tests.alerts.home import Home

Passes = Callable[[float], Awaitable[None]]
MINUTE = timedelta(minutes=1)


async def test_safety_06_the_repeat_is_asked_with_rest_and_a_deadline(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """measure_now with 60 s of rest, and the question, both expiring at the deadline."""
    await home.bp(186, 112)
    await engine.cycle()
    measure, ask = await home.commands()
    assert (measure["op"], measure["args"]["k"], measure["args"]["rest_s"]) == (
        *("measure_now", "bp"),
        60,
    )
    assert ask["args"]["qid"] == "symptoms"
    episode = await home.episode()
    assert episode["confirm_by"] == clock.now() + 6 * MINUTE == measure["expires_at"]
    assert measure["episode_id"] == episode["id"]
    assert ("suppress", "waiting_for_repeat") in await home.history(episode["id"])


async def test_safety_06_a_normal_repeat_refutes_and_nobody_is_told(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """Withdrawn with a trace; no page, no worklist entry."""
    await home.bp(186, 100)
    await passes(120)
    await home.bp(142, 86)
    await passes(3600)
    episode = await home.episode()
    assert (episode["state"], episode["outcome"]) == ("closed", "withdrawn")
    assert episode["confirmation"] == "refuted"
    assert await home.told() == await home.told(pages=False) == []


async def test_safety_06_the_mean_of_the_session_confirms(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """186 and 176 have a mean of 181: confirmed although the second alone is below."""
    await home.bp(186, 100)
    await passes(90)
    await home.bp(176, 98)
    await engine.cycle()
    assert (await home.episode())["confirmation"] == "confirmed"
    assert await home.told() == [home.staff[0]]


@pytest.mark.parametrize("said", ["busy", "unsupported", "error", "expired", None])
async def test_safety_06_without_a_repeat_it_pages_unconfirmed_at_the_deadline(
    home: Home, engine: Engine, passes: Passes, said: str | None
) -> None:
    """No answer, busy, unsupported, error, expired: told as unconfirmed, then and not later."""
    await home.bp(186, 112)
    await engine.cycle()
    if said is not None:
        await home.answers((await home.commands())[0]["id"], said)
    await passes(359)
    assert await home.told() == []
    await passes(1)
    episode = await home.episode()
    assert episode["confirmation"] == "unconfirmed"
    assert await home.told() == [home.staff[0]]
    if said is not None:
        assert ("update", f"repeat_{said}") in await home.history(episode["id"])


@pytest.mark.parametrize(("sys", "dia"), [(200, 90), (150, 120), (230, 130)])
async def test_safety_06_at_200_over_120_nobody_waits(
    home: Home, engine: Engine, sys: int, dia: int
) -> None:
    """An emergency is told at once."""
    await home.bp(sys, dia)
    await engine.cycle()
    episode = await home.episode()
    assert (episode["state"], episode["tier"]) == ("open", 3)
    assert await home.told() == [home.staff[0]]


async def test_safety_06_a_normal_repeat_does_not_take_an_emergency_back(
    home: Home, engine: Engine, passes: Passes
) -> None:
    """Whoever was told of 205 decides; a later normal reading withdraws nothing."""
    await home.bp(205, 100)
    await passes(180)
    await home.bp(130, 80)
    await engine.cycle()
    assert (await home.episode())["state"] == "open"


async def test_safety_06_an_open_guided_session_is_waited_for(
    home: Home, engine: Engine, passes: Passes
) -> None:
    """The hub orders no reading of its own and judges the session when it ends."""
    await home.bp(186, 100, session="s1")
    await passes(60)
    assert await home.commands() == []
    await home.bp(150, 90, session="s1")
    await passes(60)
    assert (await home.episode())["state"] == "pending"
    await home.bp(152, 92, session="s1", done=True)
    await engine.cycle()
    episode = await home.episode()
    assert (episode["state"], episode["confirmation"]) == ("closed", "refuted")
    assert ("suppress", "guided_session_open") in await home.history(episode["id"])


async def test_safety_06_a_guided_session_that_never_ends_is_judged_at_the_deadline(
    home: Home, engine: Engine, passes: Passes
) -> None:
    """A robot that goes silent in the middle holds the page up to the deadline, no longer."""
    await home.bp(186, 112, session="s1")
    await passes(359)
    assert await home.told() == []
    await passes(1)
    assert await home.told() == [home.staff[0]]


async def test_safety_06_a_session_that_ends_on_a_severe_reading_is_repeated(
    home: Home, engine: Engine, passes: Passes
) -> None:
    """Its mean is below and nothing came after: now that it is over the repeat is asked."""
    await home.bp(172, 96, session="s1")
    await passes(60)
    await home.bp(184, 100, session="s1", done=True)
    await engine.cycle()
    assert [command["op"] for command in await home.commands()] == ["measure_now", "ask"]
    assert (await home.episode())["state"] == "pending"


async def test_safety_06_a_session_mean_over_the_limit_confirms_at_its_end(
    home: Home, engine: Engine, passes: Passes
) -> None:
    """186, 178, 180: the mean is 181.3."""
    await home.bp(186, 100, session="s1")
    await passes(60)
    await home.bp(178, 98, session="s1")
    await passes(60)
    assert await home.told() == []
    await home.bp(180, 99, session="s1", done=True)
    await engine.cycle()
    assert (await home.episode())["confirmation"] == "confirmed"


async def test_safety_06_a_symptom_answered_yes_pages_without_waiting(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """The answer to the hub's question makes it an emergency."""
    await home.bp(186, 112)
    await engine.cycle()
    ask = (await home.commands())[1]
    clock.advance(20)
    await home.answers(ask["id"], "ok", qid="symptoms", answer="yes")
    await engine.cycle()
    episode = await home.episode()
    assert (episode["state"], episode["reason"]) == ("open", "severe_with_symptom")
    assert episode["tier"] == 3
    assert await home.told() == [home.staff[0]]


async def test_safety_06_a_symptom_is_told_also_after_a_normal_repeat(
    home: Home, engine: Engine, passes: Passes
) -> None:
    """The repeat was quicker than the answer: the episode stands again and pages."""
    await home.bp(186, 112)
    await engine.cycle()
    ask = (await home.commands())[1]
    await passes(90)
    await home.bp(150, 90)
    await passes(20)
    assert (await home.episode())["state"] == "closed"
    await home.answers(ask["id"], "ok", qid="symptoms", answer="yes")
    await engine.cycle()
    episode = await home.episode()
    assert (episode["state"], episode["reason"]) == ("open", "severe_with_symptom")
    assert await home.told() == [home.staff[0]]


async def test_safety_06_a_symptom_counts_where_nobody_owns_the_reading(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """A shared cuff: the answer to the question that went with the reading does not wait."""
    await home.bp(186, 112, patient=None)
    await engine.cycle()
    ask = (await home.commands())[1]
    clock.advance(20)
    await home.answers(ask["id"], "ok", qid="symptoms", answer="yes")
    await engine.cycle()
    episode = await home.episode()
    assert (episode["patient_id"], episode["reason"]) == (None, "severe_with_symptom")
    assert await home.told() == [home.staff[0]]


@pytest.mark.parametrize("minutes", [5, 45])
async def test_safety_06_a_sign_speaks_about_the_readings_before_it(
    home: Home, engine: Engine, passes: Passes, minutes: float
) -> None:
    """95 systolic, and dizziness told within the hour: low, and nobody waits."""
    await home.bp(95, 60)
    await passes(minutes * 60)
    assert await home.episodes() == []
    await home.happens("answer", "a1", ctx={"qid": "symptoms", "answer": "yes"})
    await engine.cycle()
    assert (await home.episode("low_pressure"))["reason"] == "low_with_symptom"
    assert await home.told() == [home.staff[0]]


async def test_safety_06_an_answer_given_on_the_robot_counts_too(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """An event of type answer before the reading: no waiting when the reading comes."""
    said = {"qid": "symptoms", "answer": "yes"}
    await home.happens("answer", "a1", ctx=said)
    await engine.cycle()
    clock.advance(60)
    await home.bp(184, 100)
    await engine.cycle()
    assert (await home.episode("severe_pressure"))["state"] == "open"
    assert await home.told() == [home.staff[0]]


async def test_safety_06_low_pressure_likewise(home: Home, engine: Engine, passes: Passes) -> None:
    """Low is asked again; a low repeat confirms and pages."""
    await home.bp(86, 50)
    await passes(120)
    assert await home.told() == []
    assert (await home.commands())[0]["op"] == "measure_now"
    await home.bp(84, 50)
    await engine.cycle()
    episode = await home.episode("low_pressure")
    assert (episode["confirmation"], episode["priority"]) == ("confirmed", "medium")
    assert await home.told() == [home.staff[0]]


async def test_safety_06_low_pressure_after_a_fall_does_not_wait(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """96 systolic is low enough when the person has fallen."""
    await home.happens("fall", "f1")
    clock.advance(120)
    await home.bp(96, 60)
    await engine.cycle()
    episode = await home.episode("low_pressure")
    assert (episode["state"], episode["reason"]) == ("open", "low_after_fall")
    assert episode["priority"] == "high"


@pytest.mark.parametrize(
    ("state", "out"),
    [("unsupported", {}), ("expired", {}), ("error", {}), ("ok", {"answer": "not sure"})],
)
async def test_safety_08_unknown_is_not_no(
    home: Home, engine: Engine, passes: Passes, state: str, out: dict[str, str]
) -> None:
    """What was not answered is kept as unknown; the page goes out at the deadline."""
    await home.bp(186, 112)
    await engine.cycle()
    await home.answers((await home.commands())[1]["id"], state, **out)
    await passes(360)
    episode = await home.episode()
    answers = [piece for piece in episode["evidence"] if piece["type"] == "answer"]
    assert [piece["detail"]["answer"] for piece in answers] == ["unknown"]
    assert ("update", "symptom_unknown") in await home.history(episode["id"])
    assert await home.told() == [home.staff[0]]


async def test_safety_08_an_answer_that_comes_late_outdoes_the_guess(
    home: Home, engine: Engine, passes: Passes
) -> None:
    """The hub gave the question up; the yes that was given in time arrives two hours later."""
    await home.bp(186, 112)
    await engine.cycle()
    ask = (await home.commands())[1]
    await passes(420)
    await home.answers(ask["id"], "expired")
    await engine.cycle()
    await home.acknowledge((await home.episode())["id"], hours=12)
    await passes(2 * 3600)
    await home.answers(ask["id"], "ok", qid="symptoms", answer="yes")
    await engine.cycle()
    episode = await home.episode()
    assert (episode["state"], episode["reason"]) == ("open", "severe_with_symptom")
    assert await home.told() == [home.staff[0]] * 2


async def test_safety_08_nobody_answers_for_another_node(
    home: Home, engine: Engine, passes: Passes
) -> None:
    """A stranger's no to our question is nothing; the person's own answer counts."""
    await home.bp(186, 112)
    await engine.cycle()
    ask = (await home.commands())[1]
    own, home.node = home.node, await home.make.node(home.area)
    await home.answers(ask["id"], "ok", qid="symptoms", answer="no")
    home.node = own
    await engine.cycle()
    assert [piece["type"] for piece in (await home.episode())["evidence"]] == ["reading"]


async def test_safety_08_even_a_no_only_means_no_symptom(
    home: Home, engine: Engine, passes: Passes
) -> None:
    """A spoken no keeps the waiting and takes nothing back."""
    await home.bp(186, 112)
    await engine.cycle()
    await home.answers((await home.commands())[1]["id"], "ok", qid="symptoms", answer="no")
    await passes(360)
    assert (await home.episode())["confirmation"] == "unconfirmed"


@pytest.mark.parametrize(
    ("flag", "rule", "reason", "tier"),
    [
        ("above_range", "severe_pressure", "too_high_to_measure", 3),
        ("below_range", "low_pressure", "too_low_to_measure", 2),
    ],
)
async def test_safety_11_hi_and_lo_are_findings(
    home: Home, engine: Engine, flag: str, rule: str, reason: str, tier: int
) -> None:
    """A meter that says HI or LO triggers the rule at once, without a number."""
    await home.bp(None, None, flags=[flag])
    await engine.cycle()
    episode = await home.episode()
    assert (episode["rule"], episode["reason"], episode["tier"]) == (rule, reason, tier)
    assert (episode["state"], episode["priority"]) == ("open", "high")


async def test_safety_11_three_failed_measurements_are_a_work_item(
    home: Home, engine: Engine, passes: Passes
) -> None:
    """Three within 15 min; two, or three in an hour, are not."""
    for wait in (1800, 300, 300):
        await home.bp(None, None, flags=["failed"])
        await passes(wait)
    assert await home.episodes() == []
    await home.bp(None, None, flags=["failed"])
    await engine.cycle()
    episode = await home.episode()
    assert (episode["rule"], episode["priority"]) == ("failed_measurements", "low")
    assert len(episode["evidence"]) == 3
    assert await home.told() == []


async def test_safety_13_no_setting_waits_longer_than_ten_minutes(
    database_url: str, home: Home, clock: ManualClock, pool: Pool
) -> None:
    """The setting is refused; and an engine that was away pages what it finds overdue."""
    with pytest.raises(ValueError, match="less than or equal to 600"):
        AlertsSettings(database_url=database_url, alerts_confirm_s=900)
    await home.bp(186, 112)
    clock.advance(601)
    settings = AlertsSettings(database_url=database_url, alerts_confirm_s=600)
    async with Engine(pool, settings, clock) as engine:
        await engine.cycle()
    assert (await home.episode())["confirmation"] == "unconfirmed"
    assert await home.told() == [home.staff[0]]


async def test_safety_13_an_engine_that_was_away_shortens_the_waiting(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """Seven minutes late itself, it leaves three for the repeat, not six."""
    await home.bp(186, 112)
    received = clock.now()
    clock.advance(420)
    await engine.cycle()
    assert (await home.episode())["confirm_by"] == received + 10 * MINUTE


async def test_safety_13_what_is_held_back_is_recorded_with_its_reason(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """Waiting, covered by an acknowledgement: each has its line."""
    await home.bp(210, 112)
    await engine.cycle()
    episode = await home.episode()
    await home.acknowledge(episode["id"])
    await passes(600)
    await home.bp(186, 112)
    await engine.cycle()
    history = await home.history(episode["id"])
    assert ("suppress", "covered_by_acknowledgement") in history
