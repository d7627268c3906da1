"""Settings are checked before anything runs; time is never invented; the voice never fails."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contract.instants import to_millis
from contract.messages import TimeAnswer
from gateway.cli import app
from gateway.settings import GatewaySettings
from gateway.texts import LANGUAGES, as_text, words
from gateway.timekeeper import Timekeeper
from gateway.voice import Espeak, NoVoice, choose_voice
from runtime.clock import ManualClock

GOOD: dict[str, Any] = {"broker": "mqtt://testnode1:secret@127.0.0.1:1883", "state": Path("/tmp/x")}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"broker": "mqtt://testnode1:secret@hub.example:1883"}, "mqtts"),
        ({"broker": "mqtt://127.0.0.1"}, "node's id and password"),
        ({"broker": "mqtt://Node:secret@127.0.0.1"}, "node's id and password"),
        ({"broker": "http://127.0.0.1"}, "mqtt://"),
        ({"zone": "Asia/Nowhere"}, "no time zone"),
        ({"model": "bm66"}, "beurer-bm65"),
        ({"who": "Mrs Wang"}, "pattern"),
        ({"emergency_number": "call me"}, "pattern"),
        ({"screen_host": "0.0.0.0"}, "insecure"),
    ],
)
def test_wrong_settings_say_what_is_wrong(wrong: dict[str, Any], says: str) -> None:
    """Nothing starts with an unsafe or senseless setting, and no message repeats the password."""
    with pytest.raises(ValueError, match=says) as raised:
        GatewaySettings(**{**GOOD, **wrong})
    assert "secret" not in str(raised.value)


def test_good_settings_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """From arguments and from the environment."""
    monkeypatch.setenv("HEARTHBEAT_GATEWAY_DEVICE", "bp7")
    monkeypatch.setenv("HEARTHBEAT_GATEWAY_MQTT_VERSION", "3")
    taken = GatewaySettings(**GOOD)
    assert taken.mqtt_version == 4, "as the protocol counts 3.1.1"
    assert (taken.configured_identity.node, taken.device, taken.time_zone.key) == (
        "testnode1",
        "bp7",
        "Asia/Shanghai",
    )
    insecure = {"broker": "mqtt://testnode1:secret@10.0.0.2", "insecure": True}
    assert GatewaySettings(**{**GOOD, **insecure}).configured_identity.host == "10.0.0.2"


def test_the_command_explains_itself() -> None:
    """`--help` has an example; a wrong setting ends with 2 and one line."""
    runner = CliRunner()
    shown = runner.invoke(app, ["--help"])
    assert shown.exit_code == 0
    assert "--serial /dev/ttyUSB0" in shown.output
    wrong = runner.invoke(app, ["--broker", "mqtt://10.0.0.1", "--state", "/tmp/x"])
    assert wrong.exit_code == 2


T0 = datetime(2026, 3, 4, tzinfo=UTC)


def answered(keeper: Timekeeper, clock: ManualClock, ahead_ms: int, trip_s: float = 0.1) -> Any:
    """Ask the time, wait for the answer of a hub that is `ahead_ms` ahead."""
    t1 = keeper.machine_millis()
    clock.advance(trip_s)
    middle = t1 + int(trip_s * 500) + ahead_ms
    return keeper.learn(TimeAnswer(t1=t1, t2=middle, t3=middle))


def test_a_right_clock_stays_and_a_wrong_one_follows() -> None:
    """Within two seconds the machine's clock is trusted; beyond, the hub's offset is applied and
    the step told; a slow answer is dropped; nothing is set on the machine."""
    clock = ManualClock(T0)
    keeper = Timekeeper(clock)
    assert answered(keeper, clock, 900) is None
    assert (keeper.clk, keeper.now()) == ("ntp", clock.now())
    assert answered(keeper, clock, 3_600_000, trip_s=2.5) is None
    assert keeper.clk == "ntp"
    step = answered(keeper, clock, 3_600_000)
    assert (step.ms, keeper.clk) == (3_600_000, "hub")
    assert to_millis(keeper.now()) - to_millis(clock.now()) == 3_600_000
    assert answered(keeper, clock, 3_600_500) is None, "half a second is no step"


def test_time_does_not_go_back_under_what_was_stored() -> None:
    """A small step back is waited out; a large one is followed, and told as a step."""
    clock = ManualClock(T0)
    keeper = Timekeeper(clock)
    before = keeper.now()
    assert answered(keeper, clock, -60_000).ms == -60_000
    assert keeper.now() == before, "it stands still"
    clock.advance(59)
    assert keeper.now() == before
    clock.advance(10)
    assert before < keeper.now() < before + timedelta(seconds=10)
    assert answered(keeper, clock, -3_600_000).ms < -3_000_000
    assert keeper.now() < before - timedelta(minutes=50)
    assert keeper.answers == 2


def test_an_unset_clock_is_no_clock_until_the_hub_answers() -> None:
    """1970 is not a time."""
    clock = ManualClock(datetime(1970, 1, 1, 0, 5, tzinfo=UTC))
    keeper = Timekeeper(clock)
    assert (keeper.clk, keeper.known) == ("none", False)
    ahead = to_millis(T0)
    assert answered(keeper, clock, ahead).ms == ahead
    assert (keeper.clk, keeper.known) == ("hub", True)


def test_words_fall_back_to_another_language() -> None:
    """Rather other words than none."""
    assert words({"zh-CN": "药"}, "en") == "药"
    assert words({"en-GB": "pill", "zh-CN": "药"}, "en") == "pill"
    assert words({}, "en") == ""
    assert as_text("hello") == dict.fromkeys(LANGUAGES, "hello")
    assert as_text(17) == {}


async def test_the_voice_speaks_and_never_fails(tmp_path: Path) -> None:
    """A real process gets the sentence on standard input; a broken one only makes it silent."""
    spoken = tmp_path / "spoken"
    good = tmp_path / "good"
    good.write_text(f'#!/bin/sh\ncat >> {spoken}\necho " [$2]" >> {spoken}\n')
    bad = tmp_path / "bad"
    bad.write_text("#!/bin/sh\nexit 3\n")
    for program in (good, bad):
        program.chmod(0o755)
    good.write_text(good.read_text().replace("[$2]", "[$2 $6]"))
    voice, mute = Espeak(str(good)), Espeak(str(bad))
    running = [asyncio.create_task(voice.run()), asyncio.create_task(mute.run())]
    voice.say({"zh-CN": "安静"}, "zh-CN", 0)
    voice.say({"zh-CN": "请坐好"}, "zh-CN", 35)
    mute.say({"en": "Hello"}, "en")
    for _ in range(200):
        if spoken.exists() and "[cmn" in spoken.read_text() and not mute.works:
            break
        await asyncio.sleep(0.02)
    for task in running:
        task.cancel()
    assert spoken.read_text() == "请坐好 [cmn 50]\n"
    assert (voice.works, mute.works) == (True, False)
    assert isinstance(choose_voice("browser"), NoVoice)
