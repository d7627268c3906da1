"""What the hub asks of the robot: done once, answered always, started by the person."""

import asyncio
from collections.abc import Callable
from typing import Any

from contract.instants import to_millis
from contract.messages import Command
from runtime.clock import ManualClock
from tests.gateway.conftest import Running, until
from tests.gateway.meter_on_pty import MeterOnPty, frame
from tests.gateway.scripted_hub import ScriptedHub

Power = Callable[..., Running]
QUESTION = {"qid": "chest_pain", "text": {"zh-CN": "您有胸痛吗？", "en": "Any chest pain?"}}


async def command(
    running: Running, hub: ScriptedHub, clock: ManualClock, op: str, **more: Any
) -> None:
    """Send a command `c1` that is good for a minute."""
    await until(lambda: running.gateway.uplink.online)
    exp = to_millis(clock.now()) + 60_000
    fields = {"id": "c1", "args": {}, "exp": exp, **more}
    hub.publish("cmd", Command(v=0, op=op, **fields))


def answers(hub: ScriptedHub, command_id: str = "c1") -> list[str]:
    """The states of a command's answers."""
    return [body["st"] for body in hub.results(command_id)]


def reading(sys: int, minute: int = 0) -> bytes:
    """A record of the test clock's morning."""
    return frame(sys, 100, 80, (2026, 3, 4, 8, minute))


async def test_safety_06_a_repeat_is_asked_after_a_rest_and_answered_by_its_reading(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, clock: ManualClock
) -> None:
    """measure_now: accepted, rest, then "press start"; the reading carries the session, and `ok`
    names it."""
    running = power()
    await until(lambda: running.gateway.collector.link == "ready")
    await command(running, hub, clock, "measure_now", args={"k": "bp"})
    await until(lambda: answers(hub) == ["accepted"])
    assert running.robot.guide.session.stage == "resting"
    await until(lambda: running.robot.guide.session.stage == "waiting")
    meter.measured(reading(185))
    await until(lambda: answers(hub) == ["accepted", "ok"])
    (body,) = hub.of("obs")
    session = body["ser"][0]["ses"]
    assert session == {"id": hub.results("c1")[-1]["ses"], "n": 1, "of": 1, "done": 1}


async def test_ok_is_said_once_the_hub_has_the_reading(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, clock: ManualClock
) -> None:
    """The answer waits for the receipt of its reading, through a power cut: nobody hears of a
    reading that is not there yet."""
    running = power()
    await until(lambda: running.gateway.collector.link == "ready")
    await command(running, hub, clock, "measure_now")
    await until(lambda: answers(hub) == ["accepted"])
    hub.receipts = False
    meter.measured(reading(185))
    body = (await until(lambda: hub.of("obs")))[0]
    await asyncio.sleep(0.2)
    await running.stop()
    running.start()
    await asyncio.sleep(0.3)
    assert "ok" not in answers(hub)
    assert running.robot.guide.session is None, "it is not asked for again"
    hub.receipt(body["boot"], also=[(body["seq"], body["seq"])])
    await until(lambda: "ok" in answers(hub))
    assert hub.results("c1")[-1]["ses"] == body["ser"][0]["ses"]["id"]


async def test_safety_07_nothing_inflates_because_a_message_came(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, clock: ManualClock
) -> None:
    """The cuff hears nothing but questions about its memory, whatever the hub orders; without a
    person who presses start the command ends in an error."""
    running = power(reading_seconds=0.4)
    await until(lambda: running.gateway.collector.link == "ready")
    await command(running, hub, clock, "measure_now")
    await until(lambda: answers(hub) == ["accepted", "error"])
    assert set(meter.asked) <= {b"\xaa", b"\xa4", b"\xa2", b"\xf7"}
    await command(running, hub, clock, "inflate", id="c2")
    await until(lambda: answers(hub, "c2") == ["unsupported"])


async def test_safety_08_an_unanswered_question_is_not_a_no(
    power: Power, hub: ScriptedHub, clock: ManualClock
) -> None:
    """Asked and not answered ends as an error without an answer; answered carries the answer."""
    running = power(reading_seconds=60)
    await command(running, hub, clock, "ask", args={**QUESTION, "options": ["yes", "no"]})
    await until(lambda: answers(hub) == ["accepted"])
    clock.advance(61)
    await until(lambda: answers(hub) == ["accepted", "error"])
    assert "answer" not in hub.results("c1")[-1].get("out", {})
    options = [{"value": "yes", "text": {"zh-CN": "有"}}, "no"]
    await command(running, hub, clock, "ask", id="c2", args={**QUESTION, "options": options})
    question = await until(lambda: running.robot.commands.question)
    assert [(value, words["zh-CN"]) for value, words in question.options] == [
        ("yes", "有"),
        ("no", "不是"),
    ]
    assert not await running.press("answer", id="c2", value="maybe")
    assert await running.press("answer", id="c2", value="yes")
    await until(lambda: answers(hub, "c2") == ["accepted", "ok"])
    assert hub.results("c2")[-1]["out"] == {"qid": "chest_pain", "answer": "yes"}


async def test_a_repeated_command_is_not_done_twice(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, clock: ManualClock
) -> None:
    """The stored answer is given again, also after a restart."""
    running = power()
    text = {"zh-CN": "您好", "en": "Hello"}
    await command(running, hub, clock, "speak", args={"text": text})
    await until(lambda: answers(hub) == ["ok"])
    first = running.robot._utterance
    assert first.text == text
    await command(running, hub, clock, "speak", args={"text": text})
    await until(lambda: answers(hub) == ["ok", "ok"])
    assert running.robot._utterance is first
    await running.stop()
    running.start()
    await command(running, hub, clock, "speak", args={"text": text})
    await until(lambda: answers(hub) == ["ok", "ok", "ok"])
    assert running.robot._utterance is None


async def test_expired_unknown_busy(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, clock: ManualClock
) -> None:
    """Too late is `expired`, another vital sign `unsupported`, a second order at once `busy`."""
    running = power(rest_seconds=30)
    late = to_millis(clock.now()) - 1
    await command(running, hub, clock, "measure_now", exp=late)
    await until(lambda: answers(hub) == ["expired"])
    await command(running, hub, clock, "measure_now", id="c2", args={"k": "ecg"})
    await until(lambda: answers(hub, "c2") == ["unsupported"])
    await command(running, hub, clock, "measure_now", id="c3")
    await command(running, hub, clock, "measure_now", id="c4")
    await until(lambda: answers(hub, "c4") == ["busy"])
    assert answers(hub, "c3") == ["accepted"]
    assert running.robot.guide.session.command_id == "c3"


async def test_an_order_joins_the_session_the_person_has_begun(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, clock: ManualClock
) -> None:
    """Whoever measures anyway is not asked again: their next reading answers the hub."""
    running = power(rest_seconds=30)
    await until(lambda: running.gateway.collector.link == "ready")
    await running.press("measure")
    meter.measured(reading(186))
    await until(lambda: hub.of("obs"))
    await command(running, hub, clock, "measure_now")
    await until(lambda: answers(hub) == ["accepted"])
    meter.measured(reading(184, 1))
    await until(lambda: answers(hub) == ["accepted", "ok"])
    sessions = [body["ser"][0]["ses"] for body in hub.of("obs")]
    assert [(s["n"], s["of"], s.get("done")) for s in sessions] == [(1, 2, None), (2, 2, 1)]
    assert {s["id"] for s in sessions} == {hub.results("c1")[-1]["ses"]}


async def test_safety_10_an_order_for_one_of_two_names_the_person(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, clock: ManualClock
) -> None:
    """Where two share a cuff the card says who is asked, the reading says whose it is, and the
    hub's own rest counts; a reading nobody was asked for says nothing."""
    running = power(rest_seconds=300)
    await until(lambda: running.gateway.collector.link == "ready")
    await command(running, hub, clock, "measure_now", args={"k": "bp", "who": "B", "rest_s": 0.2})
    await until(lambda: answers(hub) == ["accepted"])
    assert running.robot._panel._card(None).title["en"].endswith("(B)")
    await until(lambda: running.robot.guide.session.stage == "waiting")
    meter.measured(reading(185))
    await until(lambda: answers(hub) == ["accepted", "ok"])
    meter.measured(reading(150, 1))
    await until(lambda: len(hub.of("obs")) == 2)
    assert [body["ser"][0].get("who") for body in hub.of("obs")] == ["B", None]


async def test_a_question_never_hides_press_start(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, clock: ManualClock
) -> None:
    """A question fills the rest; when it is time to measure, measuring is what the screen says."""
    running = power(reading_seconds=30)
    await command(running, hub, clock, "measure_now")
    await command(running, hub, clock, "ask", id="c2", args={**QUESTION, "options": ["yes"]})

    def shown() -> str | None:
        card = running.robot._panel._card(None)
        return None if card is None else card.kind

    await until(lambda: shown() == "question")
    await until(lambda: shown() == "session")
    meter.measured(reading(150))
    await until(lambda: shown() == "question")


async def test_an_order_survives_a_power_cut(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, clock: ManualClock
) -> None:
    """Accepted before the cut, asked again after it, answered by the reading."""
    running = power(rest_seconds=30)
    await command(running, hub, clock, "measure_now")
    await until(lambda: answers(hub) == ["accepted"])
    await running.stop()
    running.start()
    await until(lambda: running.gateway.collector.link == "ready")
    meter.measured(reading(150))
    await until(lambda: "ok" in answers(hub))


async def test_a_reading_without_a_session_is_sent_as_it_is(
    power: Power, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """Nobody pressed anything: the reading has no session, and answers nothing."""
    running = power()
    await until(lambda: running.gateway.collector.link == "ready")
    meter.measured(reading(140))
    (body,) = await until(lambda: hub.of("obs"))
    assert "ses" not in body["ser"][0]
    await asyncio.sleep(0.1)
    assert hub.of("res") == []


async def test_safety_09_a_severe_reading_gets_calm_advice_with_the_hub_away(
    power: Power, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """Advice comes from the edge itself, names the emergency number, and goes when put away."""
    hub.status("offline")
    running = power(emergency_number="999")
    await until(lambda: running.gateway.collector.link == "ready")
    meter.measured(reading(186))
    await until(lambda: running.robot._advice == "severe")
    card = running.robot._panel._card("severe", advice_is_new=True)
    assert card.kind == "advice"
    assert all("999" in words for words in card.text.values())
    assert "999" in running.robot._utterance.text["zh-CN"]
    assert await running.press("heard_advice", id="severe")
    assert running.robot._advice is None
