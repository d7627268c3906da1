"""Calls for help: always landed, answered at once, one row each."""

import asyncio
import json
import time
from typing import Any

from contract.messages import Event
from ingest import rescue
from ingest.mqtt_session import Arrival
from runtime.clock import SystemClock
from store import feed
from store.pool import Connection
from tests.contract.corpus import golden
from tests.fixtures.promised import promised
from tests.ingest.conftest import Device, count, until, until_count


async def events(conn: Connection, columns: str) -> list[tuple[Any, ...]]:
    """What is stored of the events, in order."""
    return await (
        await conn.execute(f"SELECT {columns} FROM event ORDER BY id".encode())
    ).fetchall()


def accepted(device: Device) -> list[dict[str, Any]]:
    """What the device was told of accepted events."""
    return [fb for fb in device.feedback() if fb.get("st") == "accepted"]


async def test_a_call_is_answered_within_two_seconds(
    ingest: None, device: Device, people: Connection
) -> None:
    """The press of the button is stored, receipted and accepted, with words to say to the person,
    well within two seconds, although another receipt went out a moment ago."""
    device.pressure(148)
    await until(device.receipts)
    pressed = time.monotonic()
    device.send("event", {"id": "01KAPW7S3JQ4", "type": "call_doctor", "sev": "critical", "try": 1})
    (told,) = await until(lambda: accepted(device))
    await until(lambda: {"boot": 1, "upto": 1} in device.receipts())
    assert time.monotonic() - pressed < promised(2.0)
    assert told["ok"] is True
    assert told["ref"] == {"id": "01KAPW7S3JQ4", "boot": 1, "seq": 1}
    assert set(told["say"]) == {"zh-CN", "en"}
    assert await events(people, "event_id, type, severity, patient_id, clock") == [
        ("01KAPW7S3JQ4", "call_doctor", "critical", 1, "ntp")
    ]
    items = [item for batch in await feed.read_after(people, 0) for item in batch.items]
    (item,) = [item for item in items if isinstance(item, feed.EventItem)]
    assert (item.event_id, item.type, item.patient_id) == ("01KAPW7S3JQ4", "call_doctor", 1)
    assert item.body["try"] == 1


async def test_every_resend_is_answered_and_stored_once(
    ingest: None, device: Device, people: Connection
) -> None:
    """A device that heard nothing keeps sending: one row, one item, an answer each time."""
    sent = device.send("event", {"id": "e1", "type": "sos"})
    for attempt in range(2, 6):
        device.send("event", sent | {"try": attempt, "up": attempt})
    await until(lambda: len(accepted(device)) == 5)
    assert await count(people, "event") == 1
    batches = await feed.read_after(people, 0)
    assert sum(len(batch.items) for batch in batches) == 1
    assert not [fb for fb in device.feedback() if "code" in fb]


async def test_an_event_overtakes_a_backlog(
    ingest: None, device: Device, people: Connection
) -> None:
    """Behind three thousand stored readings a call for help does not wait its turn."""
    for n in range(3000):
        body = {"v": 0, "boot": 2, "seq": n, "t": 1795354700000 + n, "hist": 1}
        body["ser"] = [{"k": "wt", "o": [0], "y": [70]}]
        device._client.publish(f"hh/1/up/{device.node}/obs", json.dumps(body).encode(), 1)
    device.send("event", {"id": "e1", "type": "fall", "conf": 0.87, "src": {"how": "radar"}})
    await until(lambda: accepted(device), 5.0)
    assert await count(people, "reading") < 3000
    await until_count(people, "reading", 3000, 20.0)


async def test_the_slot_of_a_call_names_the_person(
    ingest: None, device: Device, people: Connection
) -> None:
    """Slots A and B are told from the cuff of the node; without a slot two people are nobody."""
    await people.execute("DELETE FROM device_binding WHERE device_id = 1")
    await asyncio.sleep(1.1)
    for who in ("A", "B", None):
        device.send("event", {"type": "call_doctor"} | ({"who": who} if who else {}))
    await until(lambda: len(accepted(device)) == 3)
    assert await events(people, "patient_id") == [(2,), (3,), (None,)]


BROKEN = [
    ("no id", b'{"v":0,"boot":9,"seq":3,"type":"sos"}', "sos", "9-3"),
    ("no seq", b'{"v":0,"id":"e7","type":"sos"}', "sos", "e7"),
    ("only a type", b'{"type":"call_doctor"}', "call_doctor", None),
    ("wrong types", b'{"v":"0","boot":"x","seq":-1,"t":"now","id":7,"type":"sos","src":[]}', "sos",
     "7"),
    ("torn", b'{"v":0,"boot":9,"seq":4,"id":"e8","type":"fall","ctx":{"spo2":8', "fall", "e8"),
    ("not UTF-8", b'{"v":0,"boot":9,"seq":5,"id":"e9","type":"sos","room":"\xb0\xc4"}', "sos",
     "e9"),
    ("NUL and half a pair", b'{"v":0,"boot":9,"seq":6,"id":"a\\u0000b\\ud800","type":"sos"}', "sos",
     "a\ufffdb?"),
    ("huge numbers", b'{"v":0,"boot":9,"seq":7,"id":"e10","type":"sos","ms":1e999,"n":'
     + b"9" * 400 + b"}", "sos", "e10"),
    ("deep", b'{"v":0,"id":"e11","type":"sos","ctx":' + b"[" * 900 + b"]" * 900 + b"}", "sos",
     "e11"),
    ("very deep", b'{"v":0,"id":"e12","type":"sos","ctx":' + b"[" * 50_000 + b"}", "sos",
     "e12"),
    ("CBOR", b"\xa2\x64type\x6bcall_doctor\x62id\x63e13", "call_doctor", None),
    ("cut off", b'{"v":0,"boot":9,"seq":5,"id":"e9","type":"call_do', "call_doctor", "e9"),
    ("rubbish", b"\x00\xff help", "unreadable", None),
]  # fmt: skip


async def test_safety_04_a_broken_call_still_lands(
    ingest: None, device: Device, people: Connection
) -> None:
    """Whatever a call for help looks like, it is stored, fed, accepted and answered; what was wrong
    with it is told as well, without saying no to the call; a resend is no second one."""
    for name, payload, kind, event_id in BROKEN:
        await people.execute("TRUNCATE event")
        device.heard.clear()
        device.raw("event", payload)
        (told,) = await until(lambda: accepted(device))
        stored = await events(people, "event_id, type")
        assert stored == [(told["ref"]["id"], kind)], name
        assert event_id in (None, told["ref"]["id"]), name
        assert all(fb.get("ok") is not False for fb in device.feedback()), name
        device.raw("event", payload)
        await until(lambda: len(accepted(device)) == 2)
        assert await count(people, "event") == 1, name


async def test_safety_04_identity_does_not_matter(
    ingest: None, device: Device, people: Connection
) -> None:
    """A node that was taken out of use, with a slot nobody knows: the call lands, without a
    patient."""
    await people.execute("UPDATE node SET revoked_at = now()")
    await asyncio.sleep(1.1)
    device.send("event", {"id": "e1", "type": "call_doctor", "who": "nobody we know"})
    await until(lambda: accepted(device))
    assert await events(people, "node_id, patient_id") == [("testnode1", None)]


async def test_safety_04_a_second_call_under_the_same_id_lands(
    ingest: None, device: Device, people: Connection
) -> None:
    """A device that names every call alike and counts from zero after each start: an hour later it
    is another call."""
    hour = 3_600_000
    first = device.send("event", {"id": "call", "type": "sos", "seq": 0})
    await until(lambda: accepted(device))
    device.send("event", first | {"t": first["t"] - hour})
    await until(lambda: len(accepted(device)) == 2)
    assert await count(people, "event") == 2


async def test_safety_04_no_rate_is_too_high(
    ingest: None, device: Device, people: Connection
) -> None:
    """Two hundred calls within a second: all land, all are answered."""
    for n in range(200):
        body = {"v": 0, "boot": 1, "seq": n, "id": f"e{n}", "type": "sos"}
        device._client.publish(f"hh/1/up/{device.node}/event", json.dumps(body).encode(), 1)
    await until_count(people, "event", 200)
    await until(lambda: len(accepted(device)) == 200)


def test_the_loose_reading_takes_what_it_can() -> None:
    """What is rescued fits any database: no NUL, no infinity, no endless nesting."""
    said = rescue.loose(b'{"a":"x\\u0000","b":1e999,"c":[[[[[[[[1]]]]]]]],"d":' + b"9" * 30 + b"}")
    assert said == {"a": "x\ufffd", "b": None, "c": [[[[[None]]]]], "d": None}
    event = rescue.as_event(said, Arrival("t", b"", SystemClock().now()))
    assert isinstance(event, Event)
    assert event.type == rescue.UNREADABLE


def test_safety_04_a_torn_call_in_cbor_is_still_a_call() -> None:
    """Whole it is read whole; cut anywhere behind its type, the call and its numbers are found."""
    whole = golden("event_call_doctor.cbor")
    assert rescue.loose(whole)["ctx"] == {"spo2": 88, "room": "r2"}
    for end in range(whole.index(b"call_doctor") + 11, len(whole)):
        said = rescue.loose(whole[:end])
        assert (said["type"], said["id"], said["boot"]) == ("call_doctor", "01KAPW7S3JQ4", 12)
        assert said["t"] == 1795354705120
