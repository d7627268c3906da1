"""Doses on the device: rung by its own clock, network or not, once, through restarts."""

from collections.abc import Callable
from typing import Any

import msgspec

from contract.instants import to_millis
from contract.messages import Plan, PlanItem, Reminder
from runtime.clock import ManualClock
from tests.fixtures.fix_broker import LiveBroker
from tests.gateway.conftest import Running, until
from tests.gateway.meter_on_pty import MeterOnPty
from tests.gateway.scripted_hub import ScriptedHub
from tests.gateway.test_commands import reading

Power = Callable[..., Running]
PILL = {"zh-CN": "请服用氨氯地平 1 片", "en": "Take amlodipine, 1 tablet"}


def plan(clock: ManualClock, rev: int, *doses: tuple[float, str], **item: Any) -> Plan:
    """A plan of one drug: (seconds from now, dose id)."""
    now = to_millis(clock.now())
    occ = [(now + int(seconds * 1000), dose_id) for seconds, dose_id in doses]
    items = [PlanItem(rid="r7", occ=occ, text=PILL, **{"win": (900, 3600), **item})]
    far = now + 14 * 86_400_000
    return Plan(v=0, rev=rev, tz="Asia/Shanghai", since=now, to=far, exp=far, items=items)


def asked(running: Running) -> list[str]:
    """The ids of the doses on the screen."""
    return [dose.id for dose in running.robot.reminders.open()]


def shown_card(running: Running) -> str | None:
    """The kind of the card on the screen."""
    _, view = running.robot._board.latest()
    card = msgspec.json.decode(view)["card"]
    return None if card is None else str(card["kind"])


async def with_plan(running: Running, hub: ScriptedHub, message: Plan) -> Running:
    """Deliver a plan and wait until the device has it."""
    hub.publish("plan", message, retain=True)
    await until(lambda: running.robot.reminders.revision == message.rev)
    return running


async def test_a_plan_is_acknowledged_rung_and_answered(
    power: Power, hub: ScriptedHub, clock: ManualClock
) -> None:
    """received -> shown -> taken, each with its true time and `by`, and `state` names the plan."""
    running = await with_plan(power(), hub, plan(clock, 42, (60, "d1"), who="A"))
    await until(lambda: ("plan:42", "received") in hub.acks())
    await until(lambda: hub.of("state")[-1]["plan"] == 42)
    assert asked(running) == []
    clock.advance(60)
    await until(lambda: asked(running) == ["d1"])
    clock.advance(30)
    assert await running.press("take", id="d1")
    assert not await running.press("take", id="d1"), "a second press is no second dose"
    await until(lambda: ("d1", "taken") in hub.acks())
    acks = [ack for body in hub.of("ack") for ack in body["acks"] if ack["id"] == "d1"]
    start = to_millis(clock.now()) - 30_000
    assert [(ack["st"], ack["at"], ack.get("by"), ack["who"]) for ack in acks] == [
        ("shown", start, None, "A"),
        ("taken", start + 30_000, "button", "A"),
    ]


async def test_safety_10_a_dose_is_asked_for_once_with_the_network_down_and_through_restarts(
    power: Power, hub: ScriptedHub, broker: LiveBroker, clock: ManualClock
) -> None:
    """The plan rings with the broker stopped; a restart neither repeats nor forgets it; the
    answer arrives later with its true time; the plan delivered again changes nothing."""
    message = plan(clock, 1, (60, "d1"), (120, "d2"))
    running = await with_plan(power(), hub, message)
    broker.stop()
    clock.advance(60)
    await until(lambda: asked(running) == ["d1"])
    await running.stop()
    running.start()
    assert asked(running) == ["d1"], "the prompt still stands"
    clock.advance(70)
    await until(lambda: asked(running) == ["d1", "d2"])
    await running.press("take", id="d1")
    said_at = to_millis(clock.now())
    await running.stop()
    clock.advance(600)
    running.start()
    broker.start()
    await until(lambda: ("d1", "taken") in hub.acks())
    for _ in range(3):
        hub.publish("plan", message, retain=True)
    clock.advance(5)
    await until(lambda: running.gateway.spool.depth() == 0)
    states = [ack for ack in hub.acks() if ack[0] == "d1"]
    assert states == [("d1", "shown"), ("d1", "taken")]
    taken = [a for b in hub.of("ack") for a in b["acks"] if (a["id"], a["st"]) == ("d1", "taken")]
    assert taken[0]["at"] == said_at


async def test_safety_10_never_after_its_window(
    power: Power, hub: ScriptedHub, clock: ManualClock
) -> None:
    """A dose without an answer is missed at the end of its window; the person is told not to take
    it now; what they say then is recorded as late. One whose window passed with the power off is
    missed without ever being asked for."""
    running = await with_plan(power(), hub, plan(clock, 1, (10, "d1"), (7200, "d2")))
    clock.advance(10)
    await until(lambda: asked(running) == ["d1"])
    clock.advance(3601)
    await until(lambda: ("d1", "missed") in hub.acks())
    card = running.robot._panel._card(None)
    assert (card.kind, card.id) == ("missed", "d1")
    assert "不要补服" in card.text["zh-CN"]
    assert "do not take it now" in card.text["en"]
    await running.press("take", id="d1")
    await until(lambda: ("d1", "late_taken") in hub.acks())
    assert running.robot._panel._card(None) is None
    await running.stop()
    clock.advance(4 * 3600)
    running.start()
    await until(lambda: ("d2", "missed") in hub.acks())
    assert ("d2", "shown") not in hub.acks()
    assert asked(running) == []
    missed = [a for b in hub.of("ack") for a in b["acks"] if (a["id"], a["st"]) == ("d2", "missed")]
    assert missed[0]["why"] == "not_shown"


async def test_safety_10_a_stopped_drug_does_not_ring(
    power: Power, hub: ScriptedHub, clock: ManualClock
) -> None:
    """A newer revision without the dose withdraws it, from the screen too; an older one is
    ignored; an expired plan is none."""
    running = await with_plan(power(), hub, plan(clock, 5, (10, "d1"), (20, "d2"), (30, "d3")))
    clock.advance(10)
    await until(lambda: asked(running) == ["d1"])
    clock.advance(-10)
    await with_plan(running, hub, plan(clock, 6, (30, "d3")))
    assert asked(running) == []
    hub.publish("plan", plan(clock, 4, (15, "d9")), retain=True)
    old = plan(clock, 7, (15, "d8"))
    hub.publish("plan", Plan(**{**_fields(old), "exp": to_millis(clock.now()) - 1}), retain=True)
    clock.advance(60)
    await until(lambda: asked(running) == ["d3"])
    assert running.robot.reminders.revision == 6
    assert not {"d8", "d9", "d2"} & {dose for dose, _ in hub.acks()}


def _fields(message: Plan) -> dict[str, Any]:
    return {name: getattr(message, name) for name in Plan.__struct_fields__}


async def test_safety_10_the_same_dose_given_again_is_not_asked_for_again(
    power: Power, hub: ScriptedHub, clock: ManualClock
) -> None:
    """Taken away and given back within its window: still the one prompt it had."""
    running = await with_plan(power(), hub, plan(clock, 1, (0, "d1"), (900, "d2")))
    await until(lambda: asked(running) == ["d1"])
    await with_plan(running, hub, plan(clock, 2, (900, "d2")))
    assert asked(running) == []
    await with_plan(running, hub, plan(clock, 3, (0, "d1"), (900, "d2")))
    assert asked(running) == ["d1"]
    await until(lambda: running.gateway.spool.depth() == 0)
    assert hub.acks().count(("d1", "shown")) == 1


async def test_later_hides_the_prompt_for_a_while(
    power: Power, hub: ScriptedHub, clock: ManualClock
) -> None:
    """Snoozed: off the screen, back after ten minutes, twice at most, without a second `shown`."""
    running = await with_plan(power(), hub, plan(clock, 1, (0, "d1")))
    for _ in range(2):
        await until(lambda: asked(running) == ["d1"])
        assert await running.press("snooze", id="d1")
        assert asked(running) == []
        clock.advance(600)
    await until(lambda: asked(running) == ["d1"])
    assert not await running.press("snooze", id="d1")
    assert await running.press("skip", id="d1")
    await until(lambda: ("d1", "skipped") in hub.acks())
    assert [st for _, st in hub.acks() if _ == "d1"] == ["shown", "snoozed", "snoozed", "skipped"]


async def test_an_ad_hoc_reminder_rings_once(
    power: Power, hub: ScriptedHub, clock: ManualClock
) -> None:
    """The same reminder delivered twice rings once; an expired one not at all."""
    running = power()
    await until(lambda: running.gateway.uplink.online)
    now = to_millis(clock.now())
    text = {"zh-CN": "明天上午复诊", "en": "Visit tomorrow"}
    gone = Reminder(v=0, id="m0", at=now - 10_000, exp=now - 1, text=text)
    note = Reminder(v=0, id="m1", at=now, exp=now + 600_000, text=text)
    for message in (gone, note, note):
        hub.publish("reminder", message)
    await until(lambda: asked(running) == ["m1"])
    await running.press("take", id="m1")
    hub.publish("reminder", note)
    await until(lambda: ("m1", "taken") in hub.acks())
    assert hub.acks().count(("m1", "shown")) == 1
    assert not [ack for ack in hub.acks() if ack[0] == "m0"]


async def test_a_cleared_plan_rings_no_more_and_any_revision_is_new(
    power: Power, hub: ScriptedHub, clock: ManualClock
) -> None:
    """When the node leaves the hub its retained plan is cleared: nothing of it rings."""
    running = await with_plan(power(), hub, plan(clock, 9, (30, "d1")))
    hub.publish_raw("plan", b"", retain=True)
    await until(lambda: running.robot.reminders.revision is None)
    await with_plan(running, hub, plan(clock, 1, (60, "d2")))
    clock.advance(60)
    await until(lambda: asked(running) == ["d2"])


async def test_a_robot_without_a_time_does_not_ring(
    power: Power, hub: ScriptedHub, clock: ManualClock
) -> None:
    """With an empty clock battery and no hub nothing is known, so nothing rings and nothing is
    missed; the hub's answer starts it."""
    from contract.messages import TimeAnswer

    true_time = clock.now()
    message = plan(clock, 1, (0, "d1"))
    clock.set(true_time.replace(year=1970))
    running = await with_plan(power(), hub, message)
    assert asked(running) == []
    asked_at = (await until(lambda: hub.of("time")))[0]["t1"]
    now = to_millis(true_time)
    hub.publish("time", TimeAnswer(t1=asked_at, t2=now, t3=now))
    await until(lambda: asked(running) == ["d1"])


async def test_safety_10_words_nobody_put_away_do_not_hide_a_dose(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, clock: ManualClock
) -> None:
    """Advice stands before a dose for ten minutes; then the dose is asked for, and the advice
    comes back when it is answered."""
    running = await with_plan(power(), hub, plan(clock, 1, (60, "d1")))
    await until(lambda: running.gateway.collector.link == "ready")
    meter.measured(reading(186))
    await until(lambda: shown_card(running) == "advice")
    clock.advance(60)
    await until(lambda: asked(running) == ["d1"])
    assert shown_card(running) == "advice"
    clock.advance(600)
    await until(lambda: shown_card(running) == "dose")
    assert await running.press("take", id="d1")
    assert shown_card(running) == "advice"
    assert await running.press("heard_advice", id="severe")
    assert shown_card(running) is None
