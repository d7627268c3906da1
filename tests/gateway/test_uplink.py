"""From the cuff to the hub over a real broker: nothing lost, nothing twice under new numbers."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from contract.messages import Reference, TimeAnswer
from runtime.clock import ManualClock
from tests.fixtures.fix_broker import LiveBroker
from tests.gateway.conftest import NODE, Running, until
from tests.gateway.meter_on_pty import MeterOnPty, frame
from tests.gateway.scripted_hub import ScriptedHub

Power = Callable[..., Running]


def morning(minute: int, sys: int = 138) -> bytes:
    """A record of 2026-03-04 08:`minute` in Shanghai: the test clock's morning."""
    return frame(sys, 86, 72, (2026, 3, 4, 8, minute))


def pressures(hub: ScriptedHub) -> list[float]:
    """The systolic pressures that arrived, each message once, in the order of their numbers."""
    once = {(body["boot"], body["seq"]): body for body in hub.of("obs")}
    values = [series["c"]["sys"] for _, body in sorted(once.items()) for series in body["ser"]]
    return [value for column in values for value in column]


async def ready(running: Running) -> Running:
    """Wait until it is connected and sees its cuff."""
    await until(lambda: running.gateway.uplink.online)
    await until(lambda: running.gateway.collector.link == "ready")
    return running


async def empty(running: Running) -> None:
    """Wait until the hub has everything."""
    await until(lambda: running.gateway.spool.depth() == 0)


async def test_a_reading_arrives_and_is_forgotten_on_the_receipt(
    power: Power, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """Bytes on a pty become one `obs` with the meter's minute in UTC; the spool empties."""
    running = await ready(power())
    meter.measured(morning(0))
    (body,) = await until(lambda: hub.of("obs"))
    series = body["ser"][0]
    assert (series["k"], series["dev"], series["o"]) == ("bp", "cuff1", [0])
    assert series["c"] == {"sys": [138.0], "dia": [86.0], "pr": [72.0]}
    assert (body["t"], body["clk"]) == (1772582400000, "ntp")
    await empty(running)
    assert len(hub.of("obs")) == 1


async def test_order_of_a_connection_and_its_end(
    power: Power, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """Description, `ready`, then data; `con` grows by one each time; a clean stop: `offline`."""
    meter.measured(morning(0))
    running = await ready(power())
    await empty(running)
    await until(lambda: running.gateway.spool.depth() == 0 and hub.of("obs"))
    kinds = [heard.kind for heard in hub.heard if heard.kind != "time"]
    assert kinds[:2] == ["birth", "state"]
    assert kinds.index("obs") > 1
    birth, state = hub.of("birth")[0], hub.of("state")[0]
    assert [dev["dev"] for dev in birth["devs"]] == ["cuff1"]
    assert (birth["seq"], state["s"], state["con"]) == (0, "ready", 1)
    await running.stop()
    await until(lambda: hub.of("state")[-1]["s"] == "offline")
    running.start()
    await until(lambda: hub.of("state")[-1]["s"] == "ready")
    assert hub.of("state")[-1]["con"] == 2
    assert hub.of("birth")[-1]["boot"] != birth["boot"]


async def test_a_pulled_plug_is_told_by_the_will(power: Power, hub: ScriptedHub) -> None:
    """Without a goodbye the broker says `lost`, with the number of that connection."""
    running = await ready(power())
    await until(lambda: hub.of("state"))
    connection = running.gateway.uplink._connection
    running._task.cancel()
    connection.drop()
    lost = await until(lambda: [s for s in hub.of("state") if s["s"] == "lost"])
    assert lost[0]["con"] == 1


async def test_everything_measured_while_the_network_was_down_arrives(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, broker: LiveBroker, clock: ManualClock
) -> None:
    """Readings taken offline arrive with their own times, marked `hist`, through a restart."""
    running = await ready(power())
    await empty(running)
    broker.stop()
    for minute in range(3):
        meter.measured(morning(minute, 140 + minute))
        clock.advance(60)
        await until(lambda n=minute: running.gateway.spool.depth() == n + 1)
    await running.stop()
    clock.advance(3600)
    broker.start()
    running.start()
    await until(lambda: sorted(pressures(hub)) == [140.0, 141.0, 142.0])
    bodies = {body["ser"][0]["c"]["sys"][0]: body for body in hub.of("obs")}
    assert [bodies[140.0 + n]["t"] for n in range(3)] == [
        1772582400000 + n * 60_000 for n in range(3)
    ]
    assert all(body["hist"] == 1 for body in bodies.values())
    await empty(running)


async def test_a_killed_broker_costs_nothing(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, broker: LiveBroker
) -> None:
    """Promise 11: what a killed broker had acknowledged is sent again, with the same number."""
    running = await ready(power())
    hub.receipts = False
    meter.measured(morning(0))
    await until(lambda: hub.of("obs"))
    broker.kill()
    meter.measured(morning(1, 150))
    broker.start()
    hub.receipts = True
    await until(lambda: set(pressures(hub)) == {138.0, 150.0})
    await empty(running)
    numbers = {body["ser"][0]["c"]["sys"][0]: set() for body in hub.of("obs")}
    for body in hub.of("obs"):
        numbers[body["ser"][0]["c"]["sys"][0]].add((body["boot"], body["seq"]))
    assert all(len(used) == 1 for used in numbers.values())


async def test_receipts_late_never_and_twice(
    power: Power, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """No receipt: sent again under the same number. A late one ends it, a second does no harm."""
    hub.receipts = False
    running = await ready(power())
    meter.measured(morning(0))
    await until(lambda: len(hub.of("obs")) >= 3)
    assert len({(b["boot"], b["seq"]) for b in hub.of("obs")}) == 1
    assert running.gateway.spool.depth() >= 2  # the description waits as well
    body = hub.of("obs")[0]
    for _ in range(3):
        hub.receipt(body["boot"], upto=body["seq"])
    await empty(running)
    sent = len(hub.of("obs"))
    await asyncio.sleep(1.0)
    assert len(hub.of("obs")) <= sent + 1


async def test_safety_04_a_call_goes_out_whatever_the_hub_says(
    power: Power, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """A hub that is offline or degraded holds back readings and never a call for help."""
    hub.status("offline")
    running = await ready(power())
    await until(lambda: running.gateway.uplink.hub == "offline")
    meter.measured(morning(0))
    await until(lambda: running.gateway.spool.depth() > 0)
    await running.press("call", value="button_hold")
    (call,) = await until(lambda: hub.of("event"))
    assert (call["type"], call["sev"], call["rc"]) == ("call_doctor", "critical", 1)
    assert hub.of("obs") == []
    hub.status("degraded")
    await asyncio.sleep(0.3)
    assert hub.of("obs") == []
    hub.status("ready")
    await until(lambda: hub.of("obs"))


async def test_without_a_hub_nothing_is_taken_for_sent(
    power: Power, broker: LiveBroker, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """0x10, nobody subscribed: not taken; as soon as somebody listens it is sent again."""
    hub._ingest.unsubscribe("hh/1/up/#")
    running = await ready(power())
    meter.measured(morning(0))
    await until(lambda: running.gateway.spool.depth() == 2)
    await asyncio.sleep(0.3)
    assert hub.of("obs") == []
    hub._ingest.subscribe("hh/1/up/#", 1)
    await until(lambda: hub.of("obs"))
    await empty(running)


async def test_refused_for_good_is_not_sent_again(
    power: Power, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """`retry:false` ends the message: into the local rejects, out of the spool."""
    hub.receipts = False
    running = await ready(power())
    meter.measured(morning(0))
    (body,) = await until(lambda: hub.of("obs"))
    hub.feedback(
        ok=False,
        code="E4001",
        path="/ser/0/dev",
        retry=False,
        ref=Reference(topic="obs", boot=body["boot"], seq=body["seq"]),
    )
    kept = await until(lambda: running.storage.rows("SELECT seq, code FROM reject"))
    assert [tuple(row) for row in kept] == [(body["seq"], "E4001")]
    sent = len(hub.of("obs"))
    await asyncio.sleep(0.9)
    assert len(hub.of("obs")) == sent


async def test_a_throttle_is_obeyed(power: Power, hub: ScriptedHub, meter: MeterOnPty) -> None:
    """`after`: readings wait so long, and then go."""
    running = await ready(power())
    await empty(running)
    hub.feedback(ok=False, code="E5004", retry=True, after=1)
    await asyncio.sleep(0.2)
    meter.measured(morning(0))
    await asyncio.sleep(0.5)
    assert hub.of("obs") == []
    await until(lambda: hub.of("obs"))


async def test_a_call_overtakes_a_full_backlog(
    power: Power, hub: ScriptedHub, broker: LiveBroker, meter: MeterOnPty
) -> None:
    """With thousands of readings waiting the call goes first."""
    from tests.gateway.kept_alive import reading

    broker.stop()
    running = power()
    now = running.gateway.timekeeper.now()
    with running.storage.transaction():
        for number in range(3000):
            running.gateway.spool.add("obs", reading(number), now)
    await running.press("call", value="button_hold")
    broker.start()
    await until(lambda: hub.of("event"))
    assert len(hub.of("obs")) < 40


async def test_mqtt_3_1_1_does_the_same(power: Power, hub: ScriptedHub, meter: MeterOnPty) -> None:
    """A broker or network that only speaks 3.1.1 costs nothing essential."""
    running = await ready(power(mqtt_version=4))
    meter.measured(morning(0))
    await until(lambda: hub.of("obs"))
    await empty(running)
    await running.stop()
    await until(lambda: hub.of("state")[-1]["s"] == "offline")


async def test_wrong_credentials_are_tried_slowly(
    power: Power, broker: LiveBroker, hub: ScriptedHub
) -> None:
    """Shut out, the gateway does not hammer; let in again, it comes back by itself."""
    running = await ready(power())
    broker.remove_node(NODE)
    await until(lambda: not running.gateway.uplink.online)
    before = running.gateway.uplink.connects
    await asyncio.sleep(1.2)
    assert running.gateway.uplink.connects - before <= 3
    broker.add_node(NODE, "a-test-password")
    await until(lambda: running.gateway.uplink.online)


async def test_malformed_downlinks_hurt_nobody(
    power: Power, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """200 broken payloads on every topic: the gateway goes on, and the next reading arrives."""
    running = await ready(power())
    rng = random.Random(7)
    broken: list[bytes] = [
        b"{", b"[]", b"null", b"\xff\xfe", b'{"v":0}', b"[" * 5000, b'{"v":1e400}',
        b'{"v":0,"id":"x","op":"measure_now","exp":"soon"}',
        b'{"v":0,"rev":-1,"tz":"","from":0,"to":0,"exp":0,"items":[]}',
        b'{"v":0,"t":0,"rcpt":{"boot":-1,"upto":9}}',
    ]  # fmt: skip
    kinds = ["plan", "cmd", "fb", "time", "reminder", "config", "fw", "nonsense"]
    for _ in range(200):
        payload = rng.choice([*broken, rng.randbytes(rng.randrange(1, 60))])
        hub.publish_raw(rng.choice(kinds), payload)
    meter.measured(morning(0))
    await until(lambda: hub.of("obs"))
    await empty(running)


@pytest.mark.parametrize(("ahead", "clk"), [(0, "ntp"), (3_600_000, "hub")])
async def test_the_hubs_time_is_followed(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, ahead: int, clk: str
) -> None:
    """A right clock stays; one that is an hour slow follows the hub and says so."""
    running = await ready(power())
    (asked,) = await until(lambda: hub.of("time"))
    answer = TimeAnswer(t1=asked["t1"], t2=asked["t1"] + ahead, t3=asked["t1"] + ahead)
    hub.publish("time", answer)
    await until(lambda: running.gateway.timekeeper.error_ms is not None)
    assert running.gateway.timekeeper.clk == clk
    steps: list[dict[str, Any]] = []
    if ahead:
        steps = await until(lambda: hub.of("event"))
    assert [step["ms"] for step in steps] == ([ahead] if ahead else [])


async def test_the_time_is_asked_until_it_is_told(
    power: Power, hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost answer is no reason to wait six hours; a right one is."""
    monkeypatch.setattr("gateway.uplink._ASK_TIME_AGAIN", 0.2)
    running = await ready(power())
    await until(lambda: len(hub.of("time")) >= 3)
    t1 = hub.of("time")[-1]["t1"]
    hub.publish("time", TimeAnswer(t1=t1, t2=t1, t3=t1))
    await until(lambda: running.gateway.timekeeper.answers == 1)
    asked = len(hub.of("time"))
    await asyncio.sleep(0.5)
    assert len(hub.of("time")) <= asked + 1


async def test_two_gateways_do_not_share_a_state_directory(power: Power) -> None:
    """The second one refuses to start: it would double every number."""
    from gateway.service import AlreadyRunningError, _alone

    running = await ready(power())
    with (
        _alone(running.settings.state),
        pytest.raises(AlreadyRunningError),
        _alone(running.settings.state),
    ):
        pytest.fail("two at once")
