"""The simulated robot by itself: its queue, its plans, its clock, its settings, its firmware."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from firmware_sim.cli import app
from firmware_sim.robot import signals
from firmware_sim.robot.access import Habits
from firmware_sim.robot.claiming import Unit
from firmware_sim.robot.encoding import to_bytes, to_values
from firmware_sim.robot.memory import Memory
from firmware_sim.robot.mischief import Mischief, wrong_unit
from firmware_sim.robot.outbox import Outbox
from firmware_sim.robot.plans import Plans
from firmware_sim.robot.updates import check
from firmware_sim.robot.watch import Watch

TEXT = {"en": "Take it"}


def outbox(**habits: Any) -> Outbox:
    """A queue of boot 7."""
    return Outbox(7, Habits(**habits))


def test_numbers_begin_at_nought_and_have_no_gap() -> None:
    """One more for each counted message; from nought again after a restart."""
    box = outbox()
    assert [box.add("obs", {}, 0.0).seq for _ in range(3)] == [0, 1, 2]
    box.restart_counting(8)
    message = box.add("obs", {}, 0.0)
    assert (message.key, message.body["boot"]) == ((8, 0), 8)


def test_urgent_first_and_measurements_wait_for_the_hub() -> None:
    """An event goes out whatever the hub says; measurements are kept back until it is ready, and
    are marked as backlog when that took long."""
    box = outbox(live_s=60)
    for kind in ("obs", "ack", "event"):
        box.add(kind, {}, 0.0)
    assert [m.kind for m in box.due(1.0, hub_ready=False)] == ["event", "ack"]
    assert [m.kind for m in box.due(1.0, hub_ready=True)] == ["event", "ack", "obs"]
    late = box.due(100.0, hub_ready=True)[-1]
    assert box.sent(late, 100.0)["hist"] == 1


def test_the_last_word_is_the_last_sent() -> None:
    """Over a restart descriptions and answers keep their order, whatever number the boot has; of
    measurements the new ones come first."""
    for boot in (3, 11):
        box = outbox()
        for kind in ("obs", "birth", "res"):
            box.add(kind, {}, 0.0)
        box.restart_counting(boot)
        for kind in ("obs", "birth", "res"):
            box.add(kind, {}, 1.0)
        sent = [(m.kind, m.boot) for m in box.due(2.0, hub_ready=True)]
        assert sent == [
            ("birth", 7), ("birth", boot), ("res", 7), ("res", boot), ("obs", boot), ("obs", 7),
        ]  # fmt: skip


def test_a_call_is_sent_again_after_5_10_20_seconds() -> None:
    """With the same numbers and a growing `try`, until it is receipted."""
    box = outbox(event_resend_s=(5, 10, 20))
    call = box.add("event", {"id": "e1"}, 0.0)
    sent = [
        (now, box.sent(message, float(now))["try"])
        for now in range(100)
        for message in box.due(float(now), hub_ready=True)
    ]
    assert sent == [(0, 1), (5, 2), (15, 3), (35, 4), (95, 5)]
    box.receipted(7, 0, [])
    assert not call.open


@given(st.sets(st.integers(0, 30)), st.integers(-1, 30))
def test_exactly_what_is_receipted_is_settled(also: set[int], upto: int) -> None:
    """Everything up to `upto` and the ranges in `also`, nothing of another boot."""
    box = outbox()
    for _ in range(31):
        box.add("obs", {}, 0.0)
    box.receipted(6, 30, [])
    box.receipted(7, upto, [(n, n) for n in also])
    assert {m.seq for m in box.waiting()} == set(range(31)) - also - set(range(upto + 1))


def test_resend_tells_what_is_gone() -> None:
    """As ranges; what is there goes out again."""
    box = outbox(keeps=4)
    for _ in range(8):
        box.add("obs", {}, 0.0)
    box.receipted(7, 7, [])
    box.forget(7, 5)
    assert box.reopen(7, 3, 7) == ([(4, 4), (6, 7)], [(3, 3), (5, 5)])
    assert [m.seq for m in box.waiting()] == [4, 6, 7]


def test_throttled_it_waits_and_backlog_is_paced() -> None:
    """A refusal holds measurements back; a request to slow down only the backlog."""
    box = outbox(live_s=10, backlog_a_second=2)
    for _ in range(5):
        box.add("obs", {}, 0.0)
    box.held_until = 30.0
    assert box.due(20.0, hub_ready=True) == []
    box.slow_until = 40.0
    assert box.due(35.0, hub_ready=True) == []
    assert len(box.due(41.0, hub_ready=True)) == 1
    assert box.due(41.1, hub_ready=True) == []


def test_memory_outlives_a_restart(tmp_path: Path) -> None:
    """Boot and connects count on; what was open is there; without a file boots are random."""
    path = tmp_path / "robot.json"
    memory = Memory(path)
    boots = [memory.next_boot(), memory.next_connect()]
    box = Outbox(boots[0], Habits())
    box.add("event", {"id": "e1"}, 0.0)
    box.add("wave", {"d": b"\x00\xff"}, 0.0)
    memory.put(left=box.left())
    again = Memory(path)
    assert (again.next_boot(), again.next_connect()) == (boots[0] + 1, boots[1] + 1)
    call, wave = Outbox(boots[0] + 1, Habits(), again.take("left")).waiting()
    assert (call.key, call.body["id"]) == ((boots[0], 0), "e1")
    assert (wave.key, wave.body["d"]) == ((boots[0], 1), b"\x00\xff")
    assert path.stat().st_mode & 0o777 == 0o600
    assert Memory().next_boot() != Memory().next_boot()


def plan(rev: int, *at: int, exp: int = 10**9) -> dict[str, Any]:
    """A plan that rings at these instants."""
    occurrences = [[instant, f"d{instant}"] for instant in at]
    item = {"rid": "r1", "occ": occurrences, "text": TEXT, "win": [900, 60], "ack": True}
    return {"rev": rev, "exp": exp, "items": [item]}


def test_plans_ring_once_in_their_window() -> None:
    """Newer replaces, older is ignored, what was missed never rings, and neither does what the
    newer plan has no more."""
    plans = Plans()
    assert plans.take_plan(plan(2, 1_000, 200_000))
    assert not plans.take_plan(plan(1, 5_000))
    assert [ring.id for ring in plans.due(1_500)] == ["d1000"]
    assert plans.due(1_600) == []
    assert Plans(plans.kept()).due(1_700) == []
    assert plans.take_plan(plan(3, 300_000))
    assert plans.due(400_000) == []
    assert not plans.take_reminder({"id": "m1", "at": 0, "exp": 5, "text": TEXT}, 400_000)
    with pytest.raises((KeyError, TypeError)):
        plans.take_plan({"rev": "x", "items": 3})
    assert plans.revision == 3


def test_the_clock_follows_the_hub() -> None:
    """An hour off is a step that is told; without a clock uptime goes with every message."""
    watch = Watch("ntp")
    t1 = watch.machine_millis()
    step = watch.learn(t1, t1 + 3_600_000, t1 + 3_600_000)
    assert step == pytest.approx(3_600_000, abs=1_000)
    assert watch.source == "hub"
    assert watch.learn(t1 - 60_000, t1, t1) is None
    unset = Watch("none").envelope()
    assert unset.keys() == {"clk", "up"}


def test_firmware_is_checked() -> None:
    """Size, hash and signature; each alone is enough to refuse it."""
    key = Ed25519PrivateKey.generate()
    raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    public = base64.b64encode(key.public_key().public_bytes(*raw)).decode()
    image, ver = b"firmware", "2.0.0"
    sha = hashlib.sha256(image).hexdigest()
    sig = base64.b64encode(key.sign(f"{ver}\n{sha}".encode())).decode()
    right = {"ver": ver, "sha256": sha, "size": len(image), "sig": sig}
    check(right, image, public)
    for wrong, said in (({"size": 1}, "bytes"), ({"sha256": "0" * 64}, "hash"),
                        ({"ver": "2.0.1"}, "signature")):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            check(right | wrong, image, public)


def test_both_encodings_read_back_and_rubbish_is_refused() -> None:
    """What is written is read; nothing else gets through or harms."""
    body = {"v": 0, "x": [1.5, None, True], "t": "文"}
    assert to_values(to_bytes(body, "json")) == to_values(to_bytes(body, "cbor")) == body
    for rubbish in (b"", b"[]", b"\xa1", b"\xff", b"{" * 9000, b"\xbf"):
        with pytest.raises(ValueError, match="not"):
            to_values(rubbish)


def test_signals_look_like_a_heart() -> None:
    """One beat in 0.83 s, its peak above a millivolt; chunks join without a seam."""
    whole = signals.ecg(4.0, hz=250)
    assert max(whole) * signals.STEP_MV > 1.0
    chunks = list(signals.recording("e1", chunks=2))
    assert chunks[0]["d"] + chunks[1]["d"] == signals.packed(whole)
    assert [chunk.get("last") for chunk in chunks] == [None, 1]


def test_mischief_does_what_it_says() -> None:
    """A wrong unit, a number used again."""
    mischief = Mischief(spoil=wrong_unit, same_seq=5)
    body = mischief.spoilt("obs", {"seq": 9, "ser": [signals.pressure(120, 80)]})
    assert (body["seq"], body["ser"][0]["u"]) == (5, "kPa")


def test_the_command_says_what_is_missing() -> None:
    """Exit code 2 with the option that is needed; a damaged code is told."""
    runner = CliRunner()
    for words, said in (
        ([], "--node"),
        (["--claim", "HH1:SN01:ABC"], "--secret"),
        (["--claim", "HH2:SN01", "--secret", "00"], "HH1:SERIAL:CODE"),
    ):
        ran = runner.invoke(app, ["robot", *words])
        assert ran.exit_code == 2
        assert said in ran.stderr
    with pytest.raises(ValueError, match="HH1"):
        Unit.from_qr("nonsense", "00")
