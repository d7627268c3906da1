"""The rules of safety.md that ingest keeps, by their numbers (4: test_events, 15: test_outage)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from store import feed
from store.pool import Connection
from tests.ingest.conftest import Device, now_ms, until, until_count

HOUR = 3_600_000


async def readings(conn: Connection, columns: str) -> list[tuple[Any, ...]]:
    """What is stored, in the order it was sent."""
    return await (
        await conn.execute(f"SELECT {columns} FROM reading ORDER BY seq".encode())
    ).fetchall()


async def fed(conn: Connection) -> list[Any]:
    """Everything in the feed."""
    return [item for batch in await feed.read_after(conn, 0) for item in batch.items]


async def test_safety_01_late_is_kept_with_all_its_times(
    ingest: None, device: Device, people: Connection
) -> None:
    """Readings of an hour, two days and forty days ago, told or not told as history, are stored at
    their measured time with the time of arrival beside it, and go to the feed like any other: who
    judges them computes how late they are."""
    present = now_ms()
    ages = [HOUR, 48 * HOUR, 40 * 24 * HOUR]
    for n, age in enumerate(ages):
        device.pressure(190, 120, t=present - age, **({"hist": 1} if n else {}))
    await until_count(people, "reading", 3)
    received_after = datetime.now(UTC) - timedelta(seconds=30)
    rows = await readings(people, "measured_at, received_at, stored_at, clock")
    for age, (measured_at, received_at, stored_at, clock) in zip(ages, rows, strict=True):
        assert measured_at == datetime.fromtimestamp((present - age) / 1000, UTC).replace(
            microsecond=measured_at.microsecond
        )
        assert received_after < received_at <= stored_at
        assert clock == "ntp"
    items = await fed(people)
    assert {item.measured_at for item in items} == {row[0] for row in rows}
    assert all(item.received_at > received_after for item in items)
    await until(lambda: any(fb.get("code") == "W3203" for fb in device.feedback()))


@pytest.mark.parametrize("claim", [0, -(2**53), 4_070_908_800_000, 2**53], ids=str)
async def test_safety_02_a_wrong_clock_hides_no_reading(
    ingest: None, device: Device, people: Connection, claim: int
) -> None:
    """1970, 2099 and what no calendar holds: the reading is stored now, untrusted, with its claim,
    fed to the rules with its patient, and the device is told the hub's time."""
    device.pressure(210, 125, t=claim)
    await until_count(people, "reading", 1)
    ((measured_at, clock, patient, claimed_at),) = await readings(
        people, "measured_at, clock, patient_id, claimed_at"
    )
    assert abs((measured_at - datetime.now(UTC)).total_seconds()) < 30
    assert (clock, patient) == ("untrusted", 1)
    assert claimed_at is not None
    (item,) = await fed(people)
    assert (item.clock, item.values[0], item.patient_id) == ("untrusted", 210.0, 1)
    (told,) = await until(lambda: [fb for fb in device.feedback() if "code" in fb])
    assert (told["code"], told["ok"], told["kept"]) == ("W3201", True, 1)
    assert abs(told["t"] - now_ms()) < 30_000


@pytest.mark.parametrize("claim", [0, 4_070_908_800_000, None], ids=str)
async def test_safety_02_a_wrong_clock_hides_no_event_and_no_answer(
    ingest: None, device: Device, people: Connection, claim: int | None
) -> None:
    """An event of 1970 happened now; its claim stays in its body. States and acknowledgements of
    any time are taken."""
    device.send("event", {"id": "e1", "type": "sos", "t": claim})
    device.send("ack", {"t": claim, "acks": [{"id": "d1", "st": "taken", "at": claim}]})
    device.raw("state", b'{"v":0,"s":"ready","con":1,"t":%d}' % (claim or 0))
    await until_count(people, "event", 1)
    await until_count(people, "node_state", 1)
    await until_count(people, "message", 2)
    cursor = await people.execute("SELECT occurred_at, clock, body->'t' FROM event")
    ((occurred_at, clock, said),) = await cursor.fetchall()
    assert abs((occurred_at - datetime.now(UTC)).total_seconds()) < 30
    assert clock == "untrusted"
    assert said == claim
    kinds = sorted(type(item).__name__ for item in await fed(people))
    assert kinds == ["AnswerItem", "EventItem", "StateItem"]


async def test_safety_02_copies_of_an_untrusted_reading_are_one(
    ingest: None, device: Device, people: Connection
) -> None:
    """A device without a clock whose message arrives three times, its uptime and all: one row."""
    series = [{"k": "bp", "o": [4000], "c": {"sys": [190], "dia": [120]}}]
    for up in (5000, 5000, 9000):
        body = {"ser": series, "clk": "none", "up": up, "seq": 0, "t": None}
        device.send("obs", body)
    await until(device.receipts)
    device.send("obs", {"ser": series, "clk": "none", "up": 9500, "t": None, "seq": 1})
    await until_count(people, "reading", 2)
    assert {clock for (clock,) in await readings(people, "clock")} == {"derived"}
    assert not [fb for fb in device.feedback() if fb.get("code") == "W4002"]


async def test_safety_05_a_reading_that_nobody_owns_is_stored_and_fed(
    ingest: None, device: Device, people: Connection
) -> None:
    """A critical reading of a cuff that two people share, without a slot, and one of a cuff nobody
    is bound to: stored without a patient, and in the feed for the rules to judge."""
    await people.execute("DELETE FROM device_binding WHERE device_id = 1")
    shared = {"k": "bp", "dev": "cuff1", "o": [0], "c": {"sys": [215], "dia": [130]}}
    device.send("obs", {"ser": [shared]})
    device.send("birth", {"maker": "acme", "model": "G2", "devs": [{"dev": "cuff2"}]})
    await until_count(people, "device", 4)
    device.send("obs", {"ser": [shared | {"dev": "cuff2"}]})
    await until_count(people, "reading", 2)
    assert await readings(people, "patient_id, v0") == [(None, 215.0)] * 2
    items = [item for item in await fed(people) if isinstance(item, feed.ReadingItem)]
    assert [(i.change, i.patient_id, i.values[0]) for i in items] == [("inserted", None, 215.0)] * 2
    assert len({i.device_id for i in items}) == 2
    assert not [fb for fb in device.feedback() if "code" in fb]
