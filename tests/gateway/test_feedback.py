"""What follows from what the hub says of our messages, and that nothing it sends can hurt."""

import asyncio
import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contract import codec
from contract.messages import Reference
from gateway.inbox import Inbox
from gateway.sending import Flight, Gate, Pace
from gateway.spool import Stored
from runtime import log
from runtime.clock import ManualClock
from tests.gateway.conftest import Running, until
from tests.gateway.meter_on_pty import MeterOnPty, frame
from tests.gateway.scripted_hub import ScriptedHub

Power = Callable[..., Running]
KINDS = ["plan", "reminder", "cmd", "config", "fw", "time", "fb", "status", "nonsense"]


def message(seq: int, kind: str = "obs", created: int = 0) -> Stored:
    """A waiting message."""
    return Stored(id=seq, boot=1, seq=seq, kind=kind, payload=b"{}", created=created)


def test_a_soft_throttle_holds_the_backlog_and_waveforms() -> None:
    """What is fresh goes, what is old waits, waveforms are gathered, a call goes in any case."""
    flight = Flight(Pace())
    waiting = [message(1, "event"), message(2, created=100), message(3), message(4, "wave", 100)]
    gate = Gate(backlog_held_until=30, gathered_until=30, live_since=50)
    assert [one.seq for one in flight.choose(waiting, 0, gate)] == [1, 2]
    assert [one.seq for one in flight.choose(waiting, 30, gate)] == [1, 2, 3, 4]


def test_asked_to_try_again_it_waits_twice_as_long_each_time() -> None:
    """`retry:true` backs off, at least as long as `after`, at most an hour."""
    flight, now, pauses = Flight(Pace()), 0.0, []
    for after in (None, None, 1000.0, *[None] * 6):
        (chosen,) = flight.choose([message(1)], now, Gate())
        flight.sent(chosen, now)
        flight.answered(chosen.key, now, taken=True)
        flight.delay(chosen.key, now, after=after)
        pauses.append(flight.next_due() - now)
        now = flight.next_due()
    assert pauses == [60, 120, 1000, 480, 960, 1920, 3600, 3600, 3600]


async def test_a_soft_throttle_lets_readings_and_calls_through(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, clock: ManualClock
) -> None:
    """W5101 with `after`: what was measured just now goes, the backlog waits so long."""
    running = power()
    await until(lambda: running.gateway.collector.link == "ready")
    await until(lambda: running.gateway.uplink.hub == "ready")  # so it has subscribed
    hub.feedback(ok=True, code="W5101", after=2)
    await until(lambda: running.gateway.uplink.verdicts._gate.backlog_held_until > 0)
    from tests.gateway.kept_alive import reading

    with running.storage.transaction():
        running.gateway.spool.add("obs", reading(1), clock.now() - timedelta(hours=1))
    meter.measured(frame(138, 86, 72, (2026, 3, 4, 8, 0)))
    await running.press("call", value="button_hold")
    await until(lambda: hub.of("event") and hub.of("obs"))
    assert [body["ser"][0]["c"]["sys"] for body in hub.of("obs")] == [[138]]
    await until(lambda: len(hub.of("obs")) == 2)


async def test_a_hard_throttle_holds_readings_and_no_call(
    power: Power, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """E5101 with `after`: readings wait, are kept, and go afterwards."""
    running = power()
    await until(lambda: running.gateway.collector.link == "ready")
    await until(lambda: running.gateway.uplink.hub == "ready")  # so it has subscribed
    hub.feedback(ok=False, code="E5101", retry=False, after=1)
    await until(lambda: running.gateway.uplink.verdicts._gate.held_until > 0)
    meter.measured(frame(138, 86, 72, (2026, 3, 4, 8, 0)))
    await running.press("call", value="button_hold")
    await until(lambda: hub.of("event"))
    assert hub.of("obs") == []
    await until(lambda: hub.of("obs"))


async def test_refusals_and_warnings_are_told_in_diag_without_values(
    power: Power, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """A refusal with its code and place, a deprecation once, the echo of developer mode not at
    all; nothing that was measured, and no id of a person."""
    log.configure("gateway")
    running = power(diag_seconds=0.3, who="B")
    await until(lambda: running.gateway.collector.link == "ready")
    await until(lambda: running.gateway.uplink.hub == "ready")  # so it has subscribed
    hub.receipts = False
    meter.measured(frame(201, 99, 77, (2026, 3, 4, 8, 0)))
    body = (await until(lambda: hub.of("obs")))[0]
    ref = Reference(topic="obs", boot=body["boot"], seq=body["seq"])
    for _ in range(3):
        hub.feedback(ok=True, code="W1001", name="deprecated")
        hub.feedback(ok=True, st="stored", ref=ref, echo={"sys": 201})
    refusal = {"code": "E3101", "path": "/ser/0/c/sys/0", "got": 201, "msg": "201 is too high"}
    hub.feedback(ok=False, retry=False, ref=ref, **refusal)

    def lines() -> list[str]:
        return [line["msg"] for diag in hub.of("diag") for line in diag.get("log", [])]

    await until(lambda: any("E3101" in line for line in lines()))
    await until(lambda: any("W1001" in line for line in lines()))
    assert len([line for line in lines() if "W1001" in line]) == 1
    assert "path=/ser/0/c/sys/0" in next(line for line in lines() if "E3101" in line)
    told = str(hub.of("diag"))
    assert not [secret for secret in ("201", "'who'", "99.0") if secret in told]
    metrics = hub.of("diag")[-1]["m"]
    assert (metrics["rejected"], metrics["link_cuff1"], metrics["dropped"]) == (1, 1, 0)
    assert metrics["rss_mb"] > 10
    assert {h.retained for h in hub.heard if h.kind == "diag"} == {False}


class Nobody:
    """Hears everything and does nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(KINDS), st.binary(max_size=200))
def test_any_bytes_are_taken_or_dropped(kind: str, payload: bytes) -> None:
    """Nothing but an exception of the recipient could come out of the inbox."""
    inbox = Inbox(Nobody(), Nobody())
    inbox.hub = Nobody()
    inbox.take(kind, payload)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["v", "t", "id", "op", "args", "exp", "rev", "set", "items", "rcpt", "ok", "code", "after",
     "ref", "ver", "url", "size", "sha256", "sig", "t1", "t2", "t3", "s", "spec", "at", "text"]
)  # fmt: skip


async def test_200_malformed_downlinks_do_not_stop_it(
    power: Power, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """Bad UTF-8, depth, huge numbers, nothing at all, damaged CBOR, right keys with wrong values:
    it goes on, is not restarted, and the next reading arrives."""
    import random

    rng = random.Random(20261122)
    running = power()
    await until(lambda: running.gateway.collector.link == "ready")
    await until(lambda: running.gateway.uplink.hub == "ready")  # so it has subscribed
    boot = running.gateway.spool.boot
    good = codec.plain(b'{"v":0,"t":0,"rcpt":{"boot":1,"upto":-1}}')
    assert good
    fixed = [
        b"", b"\xff\xfe\xfd", b"[" * 60_000, b'{"a":' * 30_000, b'{"v":' + b"9" * 5000 + b"}",
        b'{"v":1e999,"id":"x","op":"log","exp":0}', b"\xbf\xff", b"\xa1\x61", b"\xbb" + b"\xff" * 8,
        b"\xa1\x61v\xfb\x7f\xf8\x00\x00\x00\x00\x00\x00", b"\xef\xbb\xbf{}", b"null", b'"',
        b'{"v":0,"rev":9007199254740993,"set":{}}', b'{"v":0,"rev":1,"set":{"enc":[[[[]]]]}}',
        b'{"v":0,"id":"a","op":"resend","args":{"boot":-1,"from":{},"to":"x"},"exp":9e15}',
        b'{"v":0,"id":"b","op":"rotate","args":{"pass":7,"cert":[]},"exp":9000000000000}',
        b'{"v":0,"t":0,"ok":false,"after":-5,"code":"E5101"}',
        b'{"v":0,"t":0,"rcpt":{"boot":4294967295,"upto":9223372036854775807}}',
        base64.b64decode("v2F2AGJvcGFs/w=="),
    ]  # fmt: skip
    for number in range(200):
        payload = fixed[number] if number < len(fixed) else _mutant(rng)
        hub.publish_raw(rng.choice(KINDS[:-2]) if number >= len(fixed) else "cmd", payload)
        if number < len(fixed):
            hub.publish_raw(rng.choice(["config", "fb", "fw", "plan"]), payload)
    meter.measured(frame(138, 86, 72, (2026, 3, 4, 8, 0)))
    await until(lambda: hub.of("obs"), within=20)
    await asyncio.sleep(0.1)
    assert running.gateway.spool.boot == boot
    assert not running._task.done()


def _mutant(rng: Any) -> bytes:
    words = [
        b'{"v":0,"id":"m%d","op":"speak","args":{"text":"x"},"exp":%d}',
        b'{"v":0,"rev":%d,"set":{"volume":%d}}',
        b'{"v":0,"t":%d,"ok":true,"st":"new_stage","ref":{"id":"x","seq":%d}}',
        b'{"t1":%d,"t2":%d,"t3":1}',
    ]
    numbers = tuple(rng.choice([0, 1, 2**31, 2**53, 2**63, 10**30]) for _ in range(2))
    payload = bytearray(rng.choice(words) % numbers)
    for _ in range(rng.randrange(1, 6)):
        payload[rng.randrange(len(payload))] = rng.randrange(256)
    return bytes(payload)
