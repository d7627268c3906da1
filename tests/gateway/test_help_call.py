"""The call for help: it lands, it is followed, and when it cannot land the robot says so."""

from collections.abc import Callable

from contract.messages import Reference
from runtime.clock import ManualClock
from tests.fixtures.fix_broker import LiveBroker
from tests.gateway.conftest import Running, until
from tests.gateway.scripted_hub import ScriptedHub

Power = Callable[..., Running]


def card(running: Running) -> dict[str, str]:
    """The call's card in English: its title, its words, its tone."""
    shown = running.robot._panel._call_card()
    return {"title": shown.title["en"], "text": shown.text["en"], "tone": shown.tone}


async def test_safety_04_a_call_is_repeated_until_it_is_receipted(
    power: Power, hub: ScriptedHub
) -> None:
    """The same id and number, `try` growing, until the receipt; progress is shown and said."""
    hub.receipts = False
    running = power()
    await until(lambda: running.gateway.uplink.online)
    await running.press("call", value="button_hold")
    calls = await until(lambda: len(hub.of("event")) >= 3 and hub.of("event"))
    assert len({(c["id"], c["boot"], c["seq"]) for c in calls}) == 1
    assert [c["try"] for c in calls] == list(range(1, len(calls) + 1))
    assert card(running)["title"] == "Calling your care team"
    call_id = calls[0]["id"]
    hub.receipt(calls[0]["boot"], also=[(calls[0]["seq"], calls[0]["seq"])])
    for st in ("accepted", "notified"):
        hub.feedback(ok=True, st=st, ref=Reference(id=call_id))
    await until(lambda: card(running)["title"] == "Your care team has been told")
    say = {"zh-CN": "医生正在联系您", "en": "The doctor is calling you"}
    hub.feedback(ok=True, st="answered", say=say, ref=Reference(id=call_id))
    await until(lambda: card(running)["text"] == "The doctor is calling you")
    assert running.robot._utterance.text == say
    hub.feedback(ok=True, st="notified", ref=Reference(id=call_id))
    hub.feedback(ok=True, st="answered", ref=Reference(id="another"))
    assert await running.press("close_call")
    assert running.robot._panel._call_card() is None


async def test_safety_04_without_a_receipt_the_robot_falls_back(
    power: Power, hub: ScriptedHub, broker: LiveBroker
) -> None:
    """Nobody has it in time: the emergency number on the screen and aloud, and it goes on trying;
    through a restart too; once it lands the fallback ends."""
    running = power()
    broker.stop()
    await running.press("call", value="button_hold")
    await until(lambda: card(running)["tone"] == "grave")
    assert "120" in card(running)["text"]
    await until(lambda: "120" in running.robot._utterance.text["zh-CN"])
    assert not await running.press("close_call"), "it cannot be put away unheard"
    await running.stop()
    running.start()
    await until(lambda: card(running)["tone"] == "grave", within=3)
    broker.start()
    await until(lambda: hub.of("event"))
    await until(lambda: card(running)["tone"] != "grave")


async def test_a_slip_of_the_finger_can_be_taken_back(power: Power, hub: ScriptedHub) -> None:
    """Within the cancel time a `cancel` names the call; a second press is the same call; later
    it is too late to cancel, and a press is a new call."""
    running = power(cancel_seconds=0.7)
    await until(lambda: running.gateway.uplink.online)
    await running.press("call", value="button_hold")
    await running.press("call", value="button_hold")
    assert await running.press("cancel_call")
    assert not await running.press("cancel_call")
    await until(lambda: len(hub.of("event")) == 2)
    call, cancel = hub.of("event")
    assert (call["type"], cancel["type"], cancel["ref"]) == ("call_doctor", "cancel", call["id"])
    await running.press("call", value="button_hold")
    await until(lambda: not running.robot.help.may_cancel)
    assert not await running.press("cancel_call")
    await until(lambda: len({event["id"] for event in hub.of("event")}) == 3)


async def test_safety_03_a_second_emergency_is_a_second_call(
    power: Power, hub: ScriptedHub, clock: ManualClock
) -> None:
    """After the first was answered another press is another event."""
    running = power(cancel_seconds=0.0)
    await until(lambda: running.gateway.uplink.online)
    await running.press("call")
    await running.press("call")
    await until(lambda: len({event["id"] for event in hub.of("event")}) == 2)
