"""Every released example keeps decoding to what it meant, and back to what it said."""

import json
from typing import Any

import msgspec
import pytest

from contract import codec, messages
from tests.contract.corpus import CLAIM, DOWN, FOLDER, TWINS, UP, golden


def decoded(name: str) -> Any:
    """An example as a message."""
    if name in UP:
        return codec.decode(UP[name], golden(name))
    return codec.decode_down(DOWN[name], golden(name))


def says(wanted: Any, got: Any) -> bool:
    """Everything in `wanted` is in `got`, with the same value."""
    if isinstance(wanted, dict):
        return isinstance(got, dict) and all(
            key in got and says(value, got[key]) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return len(wanted) == len(got) and all(map(says, wanted, got))
    return bool(wanted == got) and isinstance(wanted, bool) == isinstance(got, bool)


def test_no_example_is_forgotten() -> None:
    """Every golden file is named in the corpus, and the other way round."""
    assert {path.name for path in FOLDER.iterdir()} == {*UP, *DOWN, *CLAIM, *TWINS}


@pytest.mark.parametrize("name", [*UP, *DOWN])
def test_an_example_survives_there_and_back(name: str) -> None:
    """Encoding what was decoded says everything the example said."""
    wanted = json.loads(golden(name))
    again = json.loads(codec.encode(decoded(name)))
    assert says(_without_empty(wanted), again), (wanted, again)


def _without_empty(message: dict[str, Any]) -> dict[str, Any]:
    # An empty object or list, a scale of 1 and an offset of 0 are what their absence means; a key
    # of the maker's own is not kept.
    absent: tuple[Any, ...] = ({}, [], 0.0)
    kept = {k: v for k, v in message.items() if not k.startswith("x_")}
    return {k: v for k, v in kept.items() if k in {"v", "cs", "seq"} or v not in absent}


@pytest.mark.parametrize("name", CLAIM)
def test_a_claim_survives_there_and_back(name: str) -> None:
    """What a unit and the hub say to each other before there is a node."""
    read = codec.decode_claim if CLAIM[name] == "req" else codec.decode_claim_answer
    again = json.loads(codec.encode(read(golden(name))))
    assert says(json.loads(golden(name)), again)


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_in_cbor_means_the_same(name: str) -> None:
    """The same message, whichever encoding it came in."""
    plain = TWINS[name]
    if plain in CLAIM:
        assert codec.decode_claim(golden(name)) == codec.decode_claim(golden(plain))
    else:
        assert codec.decode(UP[plain], golden(name)) == decoded(plain)


def test_every_message_of_a_device_has_a_twin() -> None:
    """Whatever a device may send in JSON is in the corpus in CBOR too."""
    requests = {name for name, kind in CLAIM.items() if kind == "req"}
    assert set(TWINS.values()) == {*UP, *requests}


def test_obs_means_what_it_says() -> None:
    """Three series: two regular ones with their gap, and a blood pressure in one piece."""
    obs = decoded("obs.json")
    assert (obs.boot, obs.seq, obs.t, obs.clk, obs.cerr) == (12, 4711, 1795354700000, "ntp", 40)
    spo2, pulse, pressure = obs.ser
    assert (spo2.k, spo2.dt, spo2.y) == ("spo2", 1000, [97, 97, None, 96, 96])
    assert (pulse.dev, pulse.fl) == ("ox1", None)
    assert pressure.c == {"sys": [148], "dia": [91], "pr": [72]}
    assert (pressure.o, pressure.who, pressure.pos) == ([0], "A", "sitting")


def test_birth_means_what_it_says() -> None:
    """Maker, capabilities, two sub-devices and what they send."""
    birth = decoded("birth.json")
    assert (birth.maker, birth.model, birth.fw, birth.level) == ("acme", "G2", "2.4.1", "gateway")
    assert [(dev.dev, dev.type) for dev in birth.devs] == [("ox1", "oximeter"), ("cuff1", "bpm")]
    assert birth.cap["store_h"] == 72
    assert birth.ser[1] == messages.DeclaredSeries(k="bp", dev="cuff1")


def test_state_and_will_mean_what_they_say() -> None:
    """Both carry the connect counter; the ready state also what the device holds."""
    ready, lost = decoded("state_ready.json"), decoded("state_lost.json")
    assert (ready.s, ready.con, ready.plan, ready.bat) == ("ready", 88, 42, 80)
    assert ready.subs == {"ox1": "ready", "cuff1": "sleeping"}
    assert lost == messages.State(v=0, s="lost", con=88)


def test_events_mean_what_they_say() -> None:
    """A call for help, its withdrawal, a fall, a jump of the clock."""
    call, cancel = decoded("event_call_doctor.json"), decoded("event_cancel.json")
    assert (call.id, call.type, call.attempt, call.rc) == ("01KAPW7S3JQ4", "call_doctor", 1, 1)
    assert call.ctx == {"spo2": 88, "room": "r2"}
    assert (cancel.type, cancel.ref, cancel.id) == ("cancel", call.id, None)
    assert decoded("event_fall.json").conf == 0.87
    assert decoded("event_clock_step.json").ms == -4200


def test_acknowledgements_mean_what_they_say() -> None:
    """Three of doses, in order, and one of a plan."""
    acks = decoded("ack.json").acks
    assert [(ack.id, ack.st, ack.by) for ack in acks] == [
        ("r7-1123a", "shown", None),
        ("r7-1123a", "taken", "voice"),
        ("r7-1123b", "skipped", "button"),
    ]
    assert decoded("ack_plan.json").acks == [messages.Acknowledgement(id="plan:42", st="received")]


def test_downlinks_mean_what_they_say() -> None:
    """Plan, command, feedback and receipt."""
    plan = decoded("plan.json")
    assert (plan.rev, plan.tz, plan.since, len(plan.items[0].occ)) == (
        42,
        "Asia/Shanghai",
        1795363200000,
        6,
    )
    assert plan.items[0].occ[0] == (1795392000000, "r7-1123a")
    assert decoded("cmd.json").args == {"k": "bp"}
    assert [option["id"] for option in decoded("cmd_ask.json").args["options"]] == ["yes", "no"]
    reject = decoded("fb_reject.json")
    assert (reject.code, reject.path, reject.retry, reject.kept) == ("E3102", "/ser/2/u", False, 2)
    assert decoded("fb_receipt.json").rcpt == messages.Receipt(
        boot=12, upto=4711, also=[(4713, 4720)]
    )
    assert decoded("fb_answered.json").say == {"zh-CN": "医生已收到，正在联系您"}


def test_wave_means_what_it_says() -> None:
    """Packed samples arrive as bytes: four 16-bit numbers."""
    wave = decoded("wave.json")
    assert (wave.hz, wave.n, wave.cs, wave.ep, len(wave.d)) == (250, 4, 17, "01KAPX", 8)


def test_results_and_times_mean_what_they_say() -> None:
    """An answer to a command, its session, and the four instants of a time exchange."""
    assert decoded("res.json").st == "ok"
    assert (decoded("res_answer.json").out, decoded("res_answer.json").ses) == (
        {"answer": "no"},
        "s17",
    )
    answer = decoded("time_answer.json")
    assert (decoded("time_request.json").t1, answer.t2 - answer.t1) == (answer.t1, 1200)


def test_what_is_unknown_is_ignored_and_new_words_survive() -> None:
    """Unknown keys do not disturb, unknown enum values arrive as text (HH/1 3.11)."""
    payload = b'{"v":3,"s":"dreaming","con":1,"x_mood":{"deep":[1]},"later":null}'
    assert codec.decode("state", payload) == messages.State(v=3, s="dreaming", con=1)


def test_devices_need_not_know_the_defaults_of_what_they_act_on() -> None:
    """A command and a plan item spell their defaults out; the rest leaves absent keys out."""
    item = messages.PlanItem(rid="r1", occ=[(1, "d1")], text={"en": "Take it"})
    assert json.loads(codec.encode(item))["win"] == [900, 3600]
    state = messages.State(v=0, s="ready", con=1)
    assert msgspec.json.decode(codec.encode(state)) == {"v": 0, "s": "ready", "con": 1}


def test_settings_and_firmware_mean_what_they_say() -> None:
    """A configuration, its report with a refusal, a notice of firmware, diagnostics."""
    assert decoded("config.json").set["volume"] == 60
    refused = decoded("config_refused.json")
    assert (refused.rev, [error.path for error in refused.errors]) == (8, ["/volume"])
    notice = decoded("fw.json")
    assert (notice.ver, notice.size, notice.window) == ("2.5.0", 23, (2, 4))
    diag = decoded("diag.json")
    assert (diag.m["rssi"], diag.log[1].lvl) == (-61, "info")
