"""Who sends too often: everything is kept and the sender asked to slow down; far beyond, refused
for now. A call for help never is, and nobody else is held up."""

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from contract.errors import defect
from ingest.catch_up import CALM_S
from ingest.entry import Entry
from ingest.measured import _made_of
from ingest.mqtt_session import Arrival
from ingest.settings import IngestSettings
from ingest.throttle import Limits
from store.pool import Connection
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import OTHER, Device, count, now_ms, running, until, until_count

# Few are allowed, so that a test need not send many.
STRICT = {"hard_per_s": 5.0, "hard_burst": 30.0}


async def calm(device: Device) -> None:
    """Ready, and no longer catching up with what the broker kept."""
    await until(lambda: "ready" in device.statuses())
    await asyncio.sleep(CALM_S + 0.1)


def told(device: Device, code: str) -> list[dict[str, Any]]:
    """The feedback with this code."""
    return [fb for fb in device.feedback() if fb.get("code") == code]


def flood(device: Device, number: int, kind: str = "obs", **keys: Any) -> None:
    """Publish many blood pressures without waiting."""
    base = now_ms() - number
    for n in range(number):
        body = {"v": 0, "boot": 5, "seq": n, "t": base + n, "clk": "ntp", "rc": 1} | keys
        if kind == "obs":
            body["ser"] = [{"k": "wt", "o": [0], "y": [70]}]
        device._client.publish(f"hh/1/up/{device.node}/{kind}", json.dumps(body).encode(), 1)


async def test_a_burst_is_kept_and_its_sender_asked_to_slow_down(
    device: Device, people: Connection, settings: IngestSettings
) -> None:
    """60 messages at once where 2 a second are meant: all stored, all receipted, one W5101 with
    the seconds to wait, and a number."""
    async with running(settings):
        await calm(device)
        flood(device, 60)
        await until_count(people, "reading", 60)
        await until(lambda: {"boot": 5, "upto": 59} in device.receipts())
        await until(lambda: sum(fb["n"] for fb in told(device, "W5101")) == 40)
        first = told(device, "W5101")[0]
        assert (first["ok"], first["retry"], first["kept"]) == (True, False, 1)
        assert 1 <= first["after"] <= 10
        assert len(told(device, "W5101")) <= 3
        assert await count(people, "reject") == 0


async def test_backlog_has_a_rate_of_its_own(
    device: Device, people: Connection, settings: IngestSettings
) -> None:
    """A hundred messages of backlog at once are nothing to complain of."""
    async with running(settings):
        await calm(device)
        flood(device, 90, hist=1)
        await until_count(people, "reading", 90)
        await asyncio.sleep(0.2)
        assert told(device, "W5101") == []


async def test_far_beyond_it_is_refused_and_comes_again(
    device: Device, people: Connection, settings: IngestSettings
) -> None:
    """Beyond the hard rate: E5101 with `after`, retry; nothing counted, receipted or stored. Sent
    again after that time it is taken."""
    async with running(settings.model_copy(update=STRICT)):
        await calm(device)
        flood(device, 80)
        await until(lambda: sum(fb["n"] for fb in told(device, "E5101")) >= 45)
        fb = told(device, "E5101")[0]
        assert (fb["ok"], fb["retry"], fb["path"]) == (False, True, "")
        assert 1 <= fb["after"] <= 6
        assert all(one["ref"]["boot"] == 5 for one in told(device, "E5101"))
        assert 30 <= fb["ref"]["seq"] < 80
        stored = await count(people, "reading")
        assert 30 <= stored <= 35
        assert await count(people, "message") == stored
        assert await count(people, "reject") == 0
        assert all(receipt["upto"] < stored for receipt in device.receipts())
        await asyncio.sleep(fb["after"])
        device.send("obs", {"boot": 5, "seq": 79, "ser": [{"k": "wt", "o": [0], "y": [71]}]})
        await until_count(people, "reading", stored + 1)


async def test_a_call_for_help_is_never_refused(
    device: Device, people: Connection, settings: IngestSettings
) -> None:
    """From a node that floods everything: each of its calls lands, the many only with a remark."""
    async with running(settings.model_copy(update=STRICT)):
        await calm(device)
        flood(device, 60)
        for n in range(50):
            event = {"v": 0, "boot": 6, "seq": n, "id": f"call{n}", "type": "sos", "t": now_ms()}
            device.raw("event", json.dumps(event).encode())
        await until_count(people, "event", 50)
        await until(lambda: len([fb for fb in device.feedback() if fb.get("st")]) == 50)
        assert told(device, "W5101")
        assert not [fb for fb in told(device, "E5101") if fb["ref"]["topic"] == "event"]


async def test_samples_are_counted_too(
    device: Device, people: Connection, settings: IngestSettings
) -> None:
    """One message of 500 samples where 300 at once are meant; far beyond, refused whole."""
    few = {"soft_samples_per_s": 10.0, "soft_samples_burst": 300.0}
    few |= {"hard_samples_per_s": 10.0, "hard_samples_burst": 1000.0}
    async with running(settings.model_copy(update=few)):
        await calm(device)
        for n in range(3):
            series = {"k": "spo2", "dt": 1000, "y": [97] * 500}
            device.send("obs", {"t": now_ms() - 10_000_000 + n * 1_000_000, "ser": [series]})
        await until(lambda: told(device, "E5101"))
        assert "samples" in told(device, "W5101")[0]["msg"]
        await until_count(people, "block", 2)


async def test_diagnostics_beyond_their_rate_are_let_go(
    device: Device, people: Connection, settings: IngestSettings
) -> None:
    """Lossy on purpose: the first ten stay, nobody is told, it is counted."""
    from ingest.measured import measured

    dropped = measured().hasty.labels("diag", "dropped")
    before = dropped._value.get()
    async with running(settings):
        await calm(device)
        for n in range(40):
            device.raw("diag", json.dumps({"v": 0, "m": {"n": n}}).encode(), qos=0)
        await until(lambda: dropped._value.get() - before >= 25)
        await until_count(people, "node_diag", 40 - int(dropped._value.get() - before))
        assert [fb for fb in device.feedback() if "code" in fb] == []


async def test_what_the_broker_kept_is_not_the_senders_haste(
    device: Device, people: Connection, settings: IngestSettings
) -> None:
    """While the hub was away a node sent at a moderate pace; all of it comes at once."""
    async with running(settings):
        await until(lambda: "ready" in device.statuses())
    flood(device, 300)
    async with running(settings.model_copy(update=STRICT)):
        await until_count(people, "reading", 300)
        await until(lambda: {"boot": 5, "upto": 299} in device.receipts())
        assert told(device, "E5101") + told(device, "W5101") == []


@pytest.mark.loop
async def test_ten_thousand_bad_messages_are_told_in_a_few_words(
    device: Device, broker: LiveBroker, people: Connection, settings: IngestSettings
) -> None:
    """One node sends rubbish of many kinds as fast as it can: a bounded number of answers, each
    with its number; its neighbour's readings are stored and receipted meanwhile."""
    broker.add_node(OTHER, OTHER)
    other = Device(broker, OTHER)
    total = 10_000
    lenient = {"hard_burst": 1e6, "merge_rejects_s": 2.0}
    async with running(settings.model_copy(update=lenient)):
        await calm(device)
        started = time.monotonic()
        for n in range(total):
            payload = b'{"v":0,"boot":1,"seq":%d,"ser":[%s{"k":1}]}' % (n, b"{}," * (n % 60))
            device._client.publish(f"hh/1/up/{device.node}/obs", payload, 1)
            if n % 2000 == 0:
                other.pressure(120 + n // 2000)
        await until(lambda: any(r["upto"] == 4 for r in other.receipts()), 30)
        await until_count(people, "reject", total, 60)
        await asyncio.sleep(2.5)
        answers = [fb for fb in device.feedback() if "code" in fb]
        windows = (time.monotonic() - started) / 2.0 + 2
        assert sum(fb["n"] for fb in answers if fb["code"] == "E2102") >= total * 0.9
        assert len(answers) <= 18 * windows
        assert await count(people, "reading") == 5
    other.close()


async def test_what_a_waveform_only_claims_is_owed_by_nobody(
    ingest: None, device: Device, people: Connection
) -> None:
    """A chunk that says it has two thousand million samples is refused for that, once; what the
    node sends next is taken."""
    await calm(device)
    wave = {"k": "ecg", "ch": ["I"], "hz": 250, "n": 2**31 - 1, "enc": "i16le", "ep": "r", "cs": 0}
    device.raw("wave", json.dumps({"v": 0, "boot": 5, "seq": 0, "d": "AAA="} | wave).encode())
    await until(lambda: [fb for fb in device.feedback() if fb.get("path") == "/n"])
    flood(device, 1)
    await until_count(people, "reading", 1)
    assert [told(device, code) for code in ("E5101", "W5101")] == [[], []]


def test_the_rates_of_a_service_that_was_told_nothing_are_the_contracts():
    """What docs/contract.md says is what runs."""
    settings = IngestSettings(database_url="postgresql://x", broker_url="mqtt://u:p@127.0.0.1:1")
    assert settings.limits() == Limits()


def test_what_is_kept_with_a_reason_is_not_counted_as_refused():
    """Beyond a rate only E5101 is refused; a malformed message is kept, hasty or not."""
    kept = entry(defects=(defect("E1001", ""),))
    refused = entry(defects=(defect("E5101", ""),))
    assert [_made_of(one) for one in (entry(), kept, refused)] == ["kept", "kept", "refused"]


def entry(**said: Any) -> Entry:
    """Of any message."""
    arrival = Arrival("hh/1/up/testnode1/obs", b"", datetime(2026, 3, 4, tzinfo=UTC))
    return Entry(arrival=arrival, node="testnode1", kind="obs", **said)
