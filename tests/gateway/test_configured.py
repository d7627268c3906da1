"""The configuration of the hub: applied at once where it is right, kept, reported, taken back."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from contract.messages import Command, Config, Reference
from tests.gateway.conftest import Running, until
from tests.gateway.meter_on_pty import MeterOnPty, frame
from tests.gateway.scripted_hub import ScriptedHub

Power = Callable[..., Running]


def want(hub: ScriptedHub, rev: int, **settings: Any) -> None:
    """Publish a revision, retained."""
    hub.publish("config", Config(v=0, rev=rev, set=settings), retain=True)


async def report(hub: ScriptedHub, rev: int, count: int = 1) -> dict[str, Any]:
    """The latest report of a revision, once there are `count` of them."""

    def found() -> list[dict[str, Any]] | None:
        once = {(b["boot"], b["seq"]): b for b in hub.of("config") if b["rev"] == rev}
        return list(once.values()) if len(once) >= count else None

    return (await until(found))[-1]


async def test_good_values_work_at_once_and_bad_ones_change_nothing(
    power: Power, hub: ScriptedHub
) -> None:
    """Each value for itself: the report says what holds and why the rest does not."""
    running = power()
    await until(lambda: running.gateway.uplink.online)
    want(hub, 7, lang="en", volume=30, help_number="555 1234", sys_limit=150, colour="red")
    said = await report(hub, 7)
    assert said["errors"] == [{"path": "/colour", "msg": said["errors"][0]["msg"]}]
    assert {k: said["applied"][k] for k in ("lang", "volume", "sys_limit")} == {
        "lang": "en", "volume": 30, "sys_limit": 150,
    }  # fmt: skip
    assert (running.robot._language, running.robot._help_number()) == ("en", "555 1234 / 120")
    want(hub, 8, lang="fr", volume=101, sys_limit=150)
    said = await report(hub, 8)
    assert sorted(error["path"] for error in said["errors"]) == ["/lang", "/volume"]
    assert (said["applied"]["lang"], said["applied"]["volume"]) == ("en", 30)
    assert said["applied"]["help_number"] == "120", "not named any more: our own again"
    want(hub, 7, lang="zh-CN")
    await until(lambda: hub.of("state")[-1]["cfg"] == 8)
    await asyncio.sleep(0.2)
    assert running.robot._language == "en", "an older revision is ignored"
    assert {each.retained for each in hub.heard if each.kind == "config"} == {False}


async def test_limits_of_the_person_decide_about_advice(
    power: Power, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """A reading that is nothing by the profile is severe by the limit the hub set."""
    running = power()
    await until(lambda: running.gateway.collector.link == "ready")
    meter.measured(frame(152, 86, 72, (2026, 3, 4, 8, 0)))
    await until(lambda: hub.of("obs"))
    assert running.robot._advice is None
    want(hub, 1, sys_limit=150)
    await report(hub, 1)
    meter.measured(frame(153, 86, 72, (2026, 3, 4, 8, 0)))
    await until(lambda: running.robot._advice == "severe")


async def test_it_survives_a_power_cut(power: Power, hub: ScriptedHub) -> None:
    """After a restart the configuration holds without a word from the hub."""
    running = power()
    await until(lambda: running.gateway.uplink.online)
    want(hub, 3, lang="en", volume=0)
    await report(hub, 3)
    await running.stop()
    running.start()
    assert (running.gateway.configured.rev, running.gateway.configured.value("volume")) == (3, 0)
    await until(lambda: hub.of("state")[-1].get("cfg") == 3 and running.gateway.uplink.online)
    assert len({b["seq"] for b in hub.of("config")}) == 1, "the same revision is no news"


@pytest.mark.parametrize("version", [4, 5])
async def test_cbor_after_the_hub_has_read_the_first_of_it(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, version: int
) -> None:
    """The report goes first in CBOR; once receipted everything follows, the state included; the
    same content as in JSON; and back again."""
    running = power(mqtt_version=version)
    await until(lambda: running.gateway.collector.link == "ready")
    meter.measured(frame(138, 86, 72, (2026, 3, 4, 8, 0)))
    await until(lambda: hub.of("obs"))
    want(hub, 1, enc="cbor")
    assert (await report(hub, 1))["applied"]["enc"] == "cbor"
    assert (hub.encodings("config"), hub.encodings("obs")) == ({"cbor"}, {"json"})
    await until(lambda: running.gateway.configured.encoding(None) == "cbor")
    meter.measured(frame(139, 86, 72, (2026, 3, 4, 8, 0)))
    first, second = await until(lambda: hub.of("obs")[1:] and hub.of("obs"))
    assert hub.encodings("obs") == {"json", "cbor"}
    assert {**second["ser"][0], "rec": 0} == {
        **first["ser"][0],
        "rec": 0,
        "c": {"sys": [139], "dia": [86], "pr": [72]},
    }
    hub.publish("cmd", Command(v=0, id="c1", op="rebirth", exp=2**52))
    await until(lambda: hub.encodings("birth") == {"json", "cbor"})
    await running.stop()
    running.start()
    await until(lambda: hub.encodings("state") == {"json", "cbor"})
    want(hub, 2)
    assert (await report(hub, 2))["applied"]["enc"] == "json"


async def test_a_hub_that_cannot_read_it_gets_the_old_encoding_back(
    power: Power, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """Refused with E20xx: the last good configuration, a report that says so, no reading lost."""
    hub.refuses_cbor = True
    running = power()
    await until(lambda: running.gateway.collector.link == "ready")
    want(hub, 4, enc="cbor", volume=20)
    meter.measured(frame(138, 86, 72, (2026, 3, 4, 8, 0)))
    said = await report(hub, 4, count=2)
    assert said["applied"]["enc"] == "json"
    assert said["errors"] == [{"path": "/enc", "msg": "taken back: E2010"}]
    await until(lambda: hub.of("obs"))
    assert hub.encodings("obs") == {"json"}
    await until(lambda: running.gateway.spool.depth() == 0)
    await running.stop()
    running.start()
    await until(lambda: running.gateway.uplink.online)
    await asyncio.sleep(0.3)
    assert running.gateway.configured.encoding(None) == "json", "the retained wish comes again"


async def test_without_a_receipt_it_is_taken_back(
    power: Power, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """A hub that is ready and says nothing at all to the new encoding; through a power cut."""
    running = power(config_trial_seconds=0.6)
    await until(lambda: running.gateway.uplink.online)
    hub.receipts = False
    want(hub, 5, enc="cbor")
    await report(hub, 5)
    await running.stop()
    running.start()
    said = await until(lambda: [b for b in hub.of("config") if b.get("errors")])
    assert said[0]["errors"][0]["msg"] == "taken back: no receipt"
    assert running.gateway.configured.encoding(None) == "json"


async def test_a_later_refusal_of_cbor_keeps_the_message(
    power: Power, hub: ScriptedHub, meter: MeterOnPty
) -> None:
    """A hub that was set back to an older version: nothing of what it cannot read is dropped."""
    running = power(enc="cbor")
    await until(lambda: running.gateway.collector.link == "ready")
    hub.receipts = False
    meter.measured(frame(138, 86, 72, (2026, 3, 4, 8, 0)))
    body = (await until(lambda: hub.of("obs")))[0]
    assert hub.encodings("obs") == {"cbor"}
    ref = Reference(topic="obs", boot=body["boot"], seq=body["seq"])
    hub.feedback(ok=False, code="E2010", retry=False, ref=ref)
    await until(lambda: hub.encodings("obs") == {"json", "cbor"})
    assert {b["seq"] for b in hub.of("obs")} == {body["seq"]}
