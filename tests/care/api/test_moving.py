"""Readings of the wrong person: moved with all that belongs to them, whatever comes meanwhile."""

import asyncio
import random
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec
from psycopg import AsyncConnection

from runtime.clock import ManualClock
from store import aggregate, block, device, feed, reading
from store.block import BlockRow
from store.feed import BlockItem, ReadingItem
from store.partition import Partitions, month_of
from store.pool import Connection
from tests.care.api.conftest import Caller
from tests.care.api.measured import Measured
from tests.care.village import Village


async def told(conn: Connection, kind: type) -> list[tuple[str, int | None]]:
    """What the feed was told of readings or of blocks."""
    batches = await feed.read_after(conn, 0)
    return [(i.change, i.patient_id) for b in batches for i in b.items if isinstance(i, kind)]


async def of(api: Caller, patient_id: int, what: str = "readings") -> list[dict[str, Any]]:
    """A patient's readings or blocks."""
    answer = await api.get("doctor", f"/api/patients/{patient_id}/{what}")
    found: list[dict[str, Any]] = answer.json()[what]
    return found


async def a_block(conn: Connection, village: Village, clock: ManualClock) -> None:
    """Three samples of zhang's, an hour ago."""
    found = await device.find(conn, node_id=village.nodes["zhang"], dev="cuff1")
    assert found is not None
    start = clock.now() - timedelta(hours=1)
    row = BlockRow(
        device_id=found.id,
        kind="spo2",
        start_at=start,
        part=0,
        step_ms=1000,
        samples=[97.0, None, 95.5],
        quality=None,
        patient_id=village.patients["zhang"],
        flags=0,
        clock="ntp",
        who=None,
        context=None,
        node_id=village.nodes["zhang"],
        boot=7,
        seq=1,
        received_at=start,
    )
    await Partitions().ensure(conn, "block", {month_of(start)})
    async with conn.transaction():
        await block.write(conn, [row])


async def test_an_evening_of_a_device_goes_to_the_right_person(
    api: Caller, conn: Connection, village: Village, measured: Measured, clock: ManualClock
) -> None:
    """Readings, conflicts and dense series together; the feed hears who lost and who has them;
    undone, everything is where it was."""
    zhang, li = village.patients["zhang"], village.patients["li"]
    rows = [await measured.row(60 * n, 150.0 + n, 90.0) for n in range(4)]
    other = msgspec.structs.replace(rows[1], values=(199.0, 99.0, None, None), seq=90)
    await measured.store(*rows)
    await measured.store(other)
    await a_block(conn, village, clock)
    span = {
        "node": village.nodes["zhang"],
        "device": "cuff1",
        "since": (clock.now() - timedelta(minutes=130)).isoformat(),
        "until": (clock.now() + timedelta(minutes=1)).isoformat(),
    }
    path = f"/api/patients/{zhang}/readings/move"
    answer = await api.post("nurse", path, {"span": span, "to": li, "note": "her sister"})
    assert answer.status_code == 200, answer.text
    deed = answer.json()
    assert (deed["readings"], deed["blocks"]) == (3, 1)
    assert [one["values"]["sys"] for one in await of(api, zhang)] == [153]
    theirs = await of(api, li)
    assert [len(one["conflicts"]) for one in theirs] == [0, 1, 0]
    assert len(await of(api, li, "blocks")) == 1
    cursor = await conn.execute("SELECT patient_id FROM reading_conflict")
    assert await cursor.fetchall() == [(li,)]
    assert await told(conn, ReadingItem) == [("withdrawn", zhang), ("reassigned", li)] * 3
    assert await told(conn, BlockItem) == [("withdrawn", zhang), ("reassigned", li)]
    undone = await api.post("nurse", f"/api/reassignments/{deed['id']}/undo", {})
    assert undone.json()["readings"] == 3
    assert (len(await of(api, zhang)), await of(api, li)) == (4, [])
    assert len(await of(api, zhang, "blocks")) == 1
    trace = (await api.get("doctor", f"/api/patients/{zhang}/reassignments")).json()
    assert [(t["what"], t["undone_by"] is not None) for t in trace["reassignments"]] == [
        ("undone", False),
        ("reassigned", True),
    ]


async def test_to_the_queue_or_to_nobody(
    api: Caller, conn: Connection, village: Village, measured: Measured
) -> None:
    """Taken from a patient it waits, or is set aside; either is told as a loss."""
    zhang = village.patients["zhang"]
    await measured.store(*[await measured.row(n, 150.0, 90.0) for n in range(3)])
    ids = [one["id"] for one in await of(api, zhang)]
    path = f"/api/patients/{zhang}/readings/move"
    assert (await api.post("doctor", path, {"readings": ids[:1]})).status_code == 200
    aside = {"readings": ids[1:2], "aside": "visitor"}
    assert (await api.post("doctor", path, aside)).status_code == 200
    waits = (await api.get("doctor", "/api/unassigned")).json()["readings"]
    assert [(one["id"], one["why"]) for one in waits] == [(ids[0], "put_back")]
    assert [one["id"] for one in await of(api, zhang)] == ids[2:]
    assert await told(conn, ReadingItem) == [("withdrawn", zhang), ("reassigned", None)] * 2


async def test_what_cannot_be_moved(api: Caller, village: Village, measured: Measured) -> None:
    """Nobody's else's patient, nothing, both, to oneself, what has gone: nothing changes."""
    zhang = village.patients["zhang"]
    await measured.store(await measured.row(1, 150.0, 90.0))
    (one,) = await of(api, zhang)
    path, li = f"/api/patients/{zhang}/readings/move", village.patients["li"]
    mine = {"readings": [one["id"]]}
    for body, status in (
        ({}, 422),
        ({**mine, "to": zhang}, 422),
        ({**mine, "to": li, "aside": "test"}, 422),
        ({**mine, "to": village.patients["zhao"]}, 404),
    ):
        assert (await api.post("nurse", path, body)).status_code == status
    assert (await api.post("stranger", path, {**mine, "to": li})).status_code == 404
    elsewhere = f"/api/patients/{li}/readings/move"
    assert (await api.post("nurse", elsewhere, {**mine, "to": zhang})).status_code == 409
    assert await of(api, zhang) == [one]


async def test_a_correction_that_comes_meanwhile_is_not_lost(
    api: Caller, conn: Connection, village: Village, measured: Measured, database_url: str
) -> None:
    """Whichever is first, at every overlap: the corrected value, at the new patient, both in the
    history, and the feed ends with what is stored."""
    zhang, li = village.patients["zhang"], village.patients["li"]
    rows = [await measured.row(n, 150.0, 90.0) for n in range(1, 13)]
    await measured.store(*rows)
    ids = {one["measured_at"]: one["id"] for one in await of(api, zhang)}
    chance = random.Random(7)

    async def corrects() -> None:
        async with await AsyncConnection.connect(database_url, autocommit=True) as own:
            for row in rows:
                fixed = msgspec.structs.replace(
                    row, values=(151.0, 91.0, None, None), fix=True, seq=row.seq + 100,
                    sent_at=row.received_at + timedelta(seconds=9),
                )  # fmt: skip
                async with own.transaction():
                    await reading.write(own, [fixed])
                    await asyncio.sleep(chance.random() / 50)

    async def moves() -> None:
        path = f"/api/patients/{zhang}/readings/move"
        for id_ in reversed(ids.values()):
            body = {"readings": [id_], "to": li}
            assert (await api.post("nurse", path, body)).status_code == 200
            await asyncio.sleep(chance.random() / 50)

    await asyncio.gather(corrects(), moves())
    assert await of(api, zhang) == []
    assert {one["values"]["sys"] for one in await of(api, li)} == {151}
    cursor = await conn.execute("SELECT reason, count(*) FROM reading_history GROUP BY 1")
    assert dict(await cursor.fetchall()) == {"corrected": 12, "reassigned": 12}
    assert (await told(conn, ReadingItem)).count(("reassigned", li)) == 12


async def aggregated(conn: Connection, *patients: int) -> list[tuple[int, int]]:
    """By patient: how many readings their days count, and how many samples their minutes."""
    async with conn.transaction():
        await aggregate.begin(conn)
    for step in (aggregate.advance_again, aggregate.advance, aggregate.refresh_days, hours):
        while await step(conn):
            pass
    ever = {"since": date(2020, 1, 1), "until": date(2100, 1, 1)}
    always = {name: datetime.combine(day, time(0), UTC) for name, day in ever.items()}
    counted = []
    for patient in patients:
        days = await aggregate.days(conn, patient_id=patient, kind="bp", **ever)
        minutes = await aggregate.minutes(conn, patient_id=patient, kind="spo2", **always)
        counted.append((sum(d.n for d in days), sum(m.n for m in minutes)))
    return counted


async def hours(conn: Connection) -> int:
    """The hours that are due."""
    return await aggregate.refresh_hours(conn, kept_since=datetime(2020, 1, 1, tzinfo=UTC))


async def test_days_and_minutes_follow_what_is_moved(
    api: Caller, conn: Connection, village: Village, measured: Measured, clock: ManualClock
) -> None:
    """What a person moves leaves the aggregates of the one and comes into those of the other; and
    back, undone; and into nobody's, set aside."""
    zhang, li = village.patients["zhang"], village.patients["li"]
    await measured.store(*[await measured.row(60 * n, 150.0 + n, 90.0) for n in range(4)])
    await a_block(conn, village, clock)
    assert await aggregated(conn, zhang, li) == [(4, 2), (0, 0)]
    span = {
        "node": village.nodes["zhang"],
        "device": "cuff1",
        "since": (clock.now() - timedelta(minutes=130)).isoformat(),
        "until": (clock.now() + timedelta(minutes=1)).isoformat(),
    }
    move = f"/api/patients/{zhang}/readings/move"
    deed = (await api.post("nurse", move, {"span": span, "to": li})).json()
    assert await aggregated(conn, zhang, li) == [(1, 0), (3, 2)]
    await api.post("nurse", f"/api/reassignments/{deed['id']}/undo", {})
    assert await aggregated(conn, zhang, li) == [(4, 2), (0, 0)]
