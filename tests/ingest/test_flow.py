"""The way of a message: stored, acknowledged, receipted, told about."""

import asyncio
import json
from datetime import datetime
from typing import Any

import pytest

from contract.messages import Envelope
from ingest.settings import IngestSettings
from runtime.clock import SystemClock
from store import feed
from store.pool import Connection
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import OTHER, Device, count, now_ms, running, until, until_count

CUFF = {"k": "bp", "dev": "cuff1", "o": [0], "c": {"sys": [148], "dia": [91]}}


async def rows(conn: Connection, sql: str) -> list[tuple[Any, ...]]:
    """What a query finds."""
    return await (await conn.execute(sql.encode())).fetchall()


async def feed_items(conn: Connection) -> list[feed.FeedItem]:
    """Everything in the feed, in order."""
    return [item for batch in await feed.read_after(conn, 0) for item in batch.items]


async def test_a_reading_is_stored_fed_and_receipted(
    ingest: None, device: Device, people: Connection
) -> None:
    """A blood pressure becomes one row of the right patient and one item of the feed, and the
    device gets its receipt."""
    device.pressure(148, 91)
    await until_count(people, "reading", 1)
    assert await rows(people, "SELECT v0, v1, patient_id, clock FROM reading") == [
        (148.0, 91.0, 1, "ntp")
    ]
    await until(device.receipts)
    assert device.receipts()[-1] == {"boot": 1, "upto": 0}
    (item,) = await feed_items(people)
    assert isinstance(item, feed.ReadingItem)
    assert (item.change, item.patient_id, item.values[:2]) == ("inserted", 1, (148.0, 91.0))


async def test_without_rc_there_is_no_receipt(
    ingest: None, device: Device, people: Connection
) -> None:
    """A device that does not ask is not told; when it asks later, everything counts."""
    for _ in range(3):
        device.pressure(148, rc=0)
    await until_count(people, "reading", 3)
    await asyncio.sleep(0.5)
    assert device.receipts() == []
    device.pressure(150)
    await until(device.receipts)
    assert device.receipts() == [{"boot": 1, "upto": 3}]


async def test_receipts_name_the_gaps(ingest: None, device: Device, people: Connection) -> None:
    """A count that starts late or has holes is receipted in ranges, never as unbroken."""
    for seq in (5, 6, 9):
        device.pressure(140 + seq, seq=seq)
    await until(lambda: {"boot": 1, "upto": -1, "also": [[5, 6], [9, 9]]} in device.receipts())
    for seq in (0, 1, 2, 3, 4):
        device.pressure(140 + seq, seq=seq)
    await until(lambda: {"boot": 1, "upto": 6, "also": [[9, 9]]} in device.receipts())


async def test_receipts_are_rare(ingest: None, device: Device, people: Connection) -> None:
    """Forty readings in a burst are receipted a few times, not forty; the last says it all."""
    for n in range(40):
        device.pressure(100 + n)
    await until(lambda: {"boot": 1, "upto": 39} in device.receipts())
    assert len(device.receipts()) < 15


async def test_no_boot_waits_for_the_others(
    device: Device, people: Connection, settings: IngestSettings
) -> None:
    """Readings of 25 boots, mixed, as of a device that failed often: ten are receipted at a turn,
    so that the last one waits for three turns and not for 25; each is told once."""
    async with running(settings.model_copy(update={"receipt_every_s": 1.0})):
        await until(lambda: "ready" in device.statuses())
        for boot in range(1, 26):
            device.pressure(100 + boot, boot=boot, seq=0)
        await until(lambda: len(device.receipts()) >= 25, 6.0)
        boots = [receipt["boot"] for receipt in device.receipts()]
        assert sorted(boots) == list(range(1, 26))


async def test_a_slot_decides_whose_reading_it_is(
    ingest: None, device: Device, people: Connection
) -> None:
    """Slots A and B are two people; without a slot the shared cuff decides nothing; a printed
    pseudonym names the patient; a slot nobody understands belongs to nobody."""
    whos = ["A", "B", None, "r:0000000000000001", "grandma"]
    for n, who in enumerate(whos):
        series = CUFF | {"o": [n]} | ({"who": who} if who else {})
        device.send("obs", {"ser": [series]})
    await until_count(people, "reading", 5)
    found = await rows(people, "SELECT patient_id FROM reading ORDER BY seq")
    assert found == [(2,), (3,), (None,), (1,), (None,)]


async def test_a_changed_binding_counts_at_once_and_not_before(
    ingest: None, device: Device, people: Connection
) -> None:
    """A binding made now holds for what is measured from now on; a reading that was measured
    before it and arrives after keeps its patient."""
    before = now_ms()
    device.pressure(148)
    await until_count(people, "reading", 1)
    await people.execute(
        "UPDATE device_binding SET during = tstzrange(lower(during), now()) WHERE id = 1"
    )
    await people.execute(
        "INSERT INTO device_binding (device_id, who, patient_id, during)"
        " VALUES (1, '', 3, tstzrange(now(), NULL))"
    )
    await asyncio.sleep(1.1)
    device.pressure(150)
    device.pressure(152, t=before - 5)
    await until_count(people, "reading", 3)
    found = await rows(people, "SELECT patient_id FROM reading ORDER BY seq")
    assert found == [(1,), (3,), (1,)]


async def test_a_birth_makes_devices_known(
    ingest: None, device: Device, people: Connection
) -> None:
    """A reading of a device nobody declared is rejected, with the way out; after the birth it is
    taken, and the node is described."""
    oximeter = {"ser": [{"k": "spo2", "dev": "ox1", "dt": 1000, "y": [97, None, 96]}]}
    device.send("obs", oximeter)
    refused = await until(device.feedback)
    assert refused[0]["code"] == "E4001"
    assert refused[0]["path"] == "/ser/0/dev"
    assert "birth" in refused[0]["hint"]
    birth = {"maker": "acme", "model": "G2", "fw": "2.4.1", "x_ours": 1}
    birth["devs"] = [{"dev": "ox1", "type": "oximeter", "maker": "Nonin", "sn": "501"}]
    device.send("birth", birth, retain=True)
    device.send("obs", oximeter)
    await until_count(people, "block", 1)
    assert await rows(people, "SELECT type, maker, serial FROM device WHERE dev = 'ox1'") == [
        ("oximeter", "Nonin", "501")
    ]
    described = await rows(
        people, "SELECT maker, firmware, birth->>'x_ours' FROM node WHERE maker <> ''"
    )
    assert described == [("acme", "2.4.1", "1")]
    kinds = [type(item).__name__ for item in await feed_items(people)]
    assert sorted(kinds) == ["BirthItem", "BlockItem"]


async def test_a_node_that_measures_by_itself_needs_no_birth(
    ingest: None, broker: LiveBroker, people: Connection
) -> None:
    """The first reading of a new node without `dev` is taken: the node is its own device."""
    await people.execute("INSERT INTO node (id, area_id) VALUES ('freshnode', 1)")
    broker.add_node("freshnode", "freshnode")
    fresh = Device(broker, "freshnode")
    fresh.pressure(148)
    await until_count(people, "reading", 1)
    assert await count(people, "device", "node_id = 'freshnode' AND dev = ''") == 1
    fresh.close()


async def test_a_node_out_of_use_is_told_so(
    ingest: None, device: Device, people: Connection
) -> None:
    """A revoked node that is still connected stores no reading, and hears which one is meant."""
    await people.execute("UPDATE node SET revoked_at = now()")
    await asyncio.sleep(1.1)
    sent = device.pressure(148)
    (refused,) = await until(device.feedback)
    assert (refused["code"], refused["retry"]) == ("E4003", False)
    assert refused["ref"] == {"topic": "obs", "boot": sent["boot"], "seq": sent["seq"]}
    assert await count(people, "reading") == 0


async def test_nobody_writes_for_somebody_else(
    ingest: None, device: Device, people: Connection, broker: LiveBroker
) -> None:
    """A publish to another node's topic is refused by the broker and stores nothing, not even a
    reject; the other node's own publish is stored."""
    broker.add_node(OTHER, OTHER)
    other = Device(broker, OTHER)
    message = {"v": 0, "boot": 1, "seq": 0, "t": now_ms(), "ser": [CUFF]}
    for kind in ("obs", "event", "state"):
        # Mosquitto may answer a refusal by hanging up.
        await until(device._client.is_connected)
        device._client.publish(f"hh/1/up/{OTHER}/{kind}", json.dumps(message).encode(), 1)
        await asyncio.sleep(0.1)
    await until(device._client.is_connected)
    device._client.publish("hh/1/hub/status", b'{"s":"offline"}', 1, retain=True)
    other.pressure(120)
    await until_count(people, "reading", 1)
    assert await rows(people, "SELECT node_id FROM reading") == [(OTHER,)]
    assert [await count(people, table) for table in ("reject", "event", "node_state")] == [0, 0, 0]
    assert device.statuses()[-1] == "ready"
    other.close()


async def test_states_are_taken_in_order(ingest: None, device: Device, people: Connection) -> None:
    """State and will: the last of the highest connection holds, and says which plan is held."""
    for con, state in ((7, "ready"), (8, "ready"), (7, "lost")):
        body = {"v": 0, "s": state, "con": con, "bat": 80, "plan": 40 + con}
        device.raw("state", json.dumps(body).encode(), retain=True)
    await until_count(people, "node_state", 1)
    await until(lambda: True)
    items: list[Any] = []
    async with asyncio.timeout(5):
        while len(items) < 2:
            items = await feed_items(people)
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)
    assert await rows(people, "SELECT state, con, plan_revision FROM node_state") == [
        ("ready", 8, 48)
    ]
    assert [(item.state, item.con) for item in await feed_items(people)] == [
        ("ready", 7),
        ("ready", 8),
    ]


async def test_answers_and_results_go_to_the_feed(
    ingest: None, device: Device, people: Connection
) -> None:
    """Each acknowledgement is one item with its own time; a result is one; resends are none."""
    at = now_ms()
    acks = [
        {"id": "r7-a", "st": "taken", "at": at - 5000, "by": "voice"},
        {"id": "plan:4", "st": "received"},
    ]
    sent = device.send("ack", {"t": at, "acks": acks})
    device.send("ack", sent)
    device.send("res", {"id": "c9", "st": "ok", "out": {"answer": "yes"}, "ses": "s1", "msg": "ok"})
    await until_count(people, "message", 2)
    await until(device.receipts)
    answers = [i for i in await feed_items(people) if isinstance(i, feed.AnswerItem)]
    results = [i for i in await feed_items(people) if isinstance(i, feed.ResultItem)]
    assert [(a.id, a.state, a.by, ms(a.at)) for a in answers] == [
        ("r7-a", "taken", "voice", at - 5000),
        ("plan:4", "received", None, at),
    ]
    assert [(r.command_id, r.out, r.session_id, r.message) for r in results] == [
        ("c9", {"answer": "yes"}, "s1", "ok")
    ]


def ms(at: datetime) -> int:
    """Milliseconds since 1970."""
    return round(at.timestamp() * 1000)


async def test_the_time_is_answered_at_once(ingest: None, device: Device) -> None:
    """`t1` comes back with the hub's clock, twice; nothing is stored for it."""
    device.raw("time", b'{"t1":1}', qos=0)
    answers = await until(lambda: [body for kind, body in device.heard if kind == "time"])
    assert answers[0]["t1"] == 1
    assert abs(answers[0]["t2"] - ms(SystemClock().now())) < 5000
    assert answers[0]["t3"] >= answers[0]["t2"]
    assert device.expiries["time"] == 10, "a time that comes late is wrong"


async def test_a_conflicting_value_is_kept_told_and_judged(
    ingest: None, device: Device, people: Connection
) -> None:
    """Another value at the same instant: both are kept, the maker is warned, and the feed carries
    it, marked, so that a critical one is not missed."""
    sent = device.pressure(120)
    await until_count(people, "reading", 1)
    device.pressure(190, 120, t=sent["t"])
    await until_count(people, "reading_conflict", 1)
    warned = await until(device.feedback)
    assert any(fb.get("code") == "W3301" and fb["ok"] for fb in warned)
    first, second = await feed_items(people)
    assert isinstance(second, feed.ReadingItem)
    assert (second.change, second.conflicting, second.values[0]) == ("inserted", True, 190.0)
    assert isinstance(first, feed.ReadingItem)
    assert not first.conflicting


async def test_a_conflict_names_its_series(
    ingest: None, device: Device, people: Connection
) -> None:
    """Readings and dense series that say something else the second time, behind one of a device
    nobody declared and one that agrees: each conflict is told at its own place, the dense one also
    where it is kept."""
    weight = {"k": "wt", "o": [0], "y": [70]}
    pulses = {"k": "pr", "o": [0, 10], "y": [70, 71]}
    stranger = weight | {"dev": "cuff9"}
    steps = {"k": "steps", "dt": 1000, "y": [1, 2]}
    sent = device.send("obs", {"ser": [stranger, weight, pulses, steps]})
    await until_count(people, "block", 1)
    device.heard.clear()
    other = [stranger, weight, pulses | {"y": [80, 81]}, steps | {"y": [3, 4]}]
    device.send("obs", {"t": sent["t"], "ser": other})
    await until_count(people, "reading_conflict", 2)
    told = await until(
        lambda: (
            len([fb for fb in device.feedback() if fb.get("code") == "W3301"]) == 2
            and device.feedback()
        )
    )
    assert [fb["path"] for fb in told if fb.get("code") == "W3301"] == ["/ser/2", "/ser/3"]
    assert await rows(people, "SELECT path FROM reject WHERE code = 'W3301'") == [("/ser/3",)]


async def test_a_correction_is_fed_as_one(ingest: None, device: Device, people: Connection) -> None:
    """`fix` replaces the value, and whoever judged the old one hears of it."""
    sent = device.pressure(190)
    await until_count(people, "reading", 1)
    fixed = sent["ser"][0] | {"c": {"sys": [130], "dia": [80]}, "fix": 1, "o": [-10]}
    device.send("obs", {"t": sent["t"] + 10, "ser": [fixed]})
    await until_count(people, "reading_history", 1)
    assert await rows(people, "SELECT v0 FROM reading") == [(130.0,)]
    changes = [i.change for i in await feed_items(people) if isinstance(i, feed.ReadingItem)]
    assert changes == ["inserted", "corrected"]


async def test_reused_numbers_lose_nothing(
    ingest: None, device: Device, people: Connection
) -> None:
    """A device that uses a number twice is warned, and both readings are kept."""
    device.pressure(120, seq=0)
    await until_count(people, "reading", 1)
    device.pressure(190, seq=0)
    await until_count(people, "reading", 2)
    warned = await until(lambda: [fb for fb in device.feedback() if "code" in fb])
    assert warned[0]["code"] == "W4002"


async def test_a_count_that_starts_again_is_receipted_from_its_beginning(
    ingest: None, device: Device, people: Connection
) -> None:
    """After ten readings the device starts from zero in the same boot: its receipt names the one
    reading sent since, not ten, or it would throw away nine it has not sent yet."""
    for n in range(10):
        device.pressure(100 + n)
    await until(lambda: {"boot": 1, "upto": 9} in device.receipts())
    device.heard.clear()
    device.pressure(150, seq=0)
    await until(device.receipts)
    await asyncio.sleep(0.3)
    assert device.receipts() == [{"boot": 1, "upto": 0}]


async def test_a_refused_message_is_taken_once_its_device_is_known(
    ingest: None, device: Device, people: Connection
) -> None:
    """The hub says: declare the device, then send again. The very same message is stored then."""
    series = {"k": "bp", "dev": "cuff9", "o": [0], "c": {"sys": [190], "dia": [120]}}
    sent = device.send("obs", {"ser": [series]})
    await until(lambda: {"boot": 1, "upto": 0} in device.receipts())
    device.send("birth", {"maker": "acme", "model": "G2", "devs": [{"dev": "cuff9"}]})
    device.send("obs", sent)
    await until_count(people, "reading", 1)
    assert [fb["code"] for fb in device.feedback() if "code" in fb] == ["E4001"]


async def test_an_unknown_vital_sign_is_set_aside(
    ingest: None, device: Device, people: Connection
) -> None:
    """A series nobody knows yet is kept with its envelope and every key, with a warning; its
    neighbour is stored."""
    strange = {"k": "aura", "dt": 5, "y": [1, 2], "x_lamp": 3}
    sent = device.send("obs", {"ser": [{"k": "wt", "o": [0], "y": [70.5]}, strange, strange]})
    await until_count(people, "reading", 1)
    first, second = await rows(people, "SELECT code, path, payload FROM reject ORDER BY id")
    assert (first[:2], second[:2]) == (("W2001", "/ser/1/k"), ("W2001", "/ser/2/k"))
    assert json.loads(first[2]) == sent | {"ser": [strange, strange]}
    assert second[2] == b""
    warned = await until(lambda: [fb for fb in device.feedback() if "code" in fb])
    assert {(w["ok"], w["kept"], w["dropped"]) for w in warned} == {(True, 1, 0)}


@pytest.mark.parametrize("batch", [1, 500])
async def test_a_thousand_readings_arrive(
    device: Device, people: Connection, settings: Any, batch: int
) -> None:
    """A backlog of a gateway: everything stored once and receipted, one by one or in batches."""
    total = 300 if batch == 1 else 1000
    async with running(settings.model_copy(update={"batch_messages": batch})):
        await until(lambda: "ready" in device.statuses())
        base = now_ms() - 3_600_000
        for n in range(total):
            body = {"v": 0, "boot": 1, "seq": n, "t": base + n, "clk": "ntp", "rc": 1, "hist": 1}
            body["ser"] = [{"k": "bp", "o": [0], "c": {"sys": [100 + n % 90], "dia": [80]}}]
            device._client.publish(f"hh/1/up/{device.node}/obs", json.dumps(body).encode(), 1)
        await until_count(people, "reading", total)
        await until(lambda: {"boot": 1, "upto": total - 1} in device.receipts())


def test_the_envelope_says_what_is_counted() -> None:
    """What receipts rest on: boot and seq are in every counted message."""
    assert {"boot", "seq", "rc"} <= set(Envelope.__struct_fields__)
