"""Taking refused messages again after a fix: what was refused lands, once, where it would have."""

import asyncio
import random
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import msgspec
import pytest

from contract import observation
from ingest import replay
from ingest.settings import IngestSettings
from store.pool import Connection
from tests.ingest.conftest import Device, count, now_ms, until, until_count
from tests.ingest.test_outage import start_ingest

BP = {"k": "bp", "o": [0], "c": {"sys": [148], "dia": [91]}}


async def ask(conn: Connection, where: str = "payload <> ''") -> None:
    """Have refusals taken again, as the console does, and wake ingest."""
    await conn.execute(
        "UPDATE reject SET replay_asked_at = now(), replay_asked_by = 'a', replayed_at = NULL,"
        f" replay_result = NULL WHERE {where}".encode()
    )
    await conn.execute("SELECT pg_notify('replay', '')")


async def results(conn: Connection) -> list[str]:
    """What was noted, in the order of the refusals; waits until nothing is left to do."""
    open_ = "replay_asked_at IS NOT NULL AND replayed_at IS NULL"
    for _ in range(600):
        if not await count(conn, "reject", open_):
            break
        await asyncio.sleep(0.05)
    cursor = await conn.execute("SELECT replay_result FROM reject WHERE replayed_at IS NOT NULL"
                                " ORDER BY id")  # fmt: skip
    return [str(row[0]) for row in await cursor.fetchall()]


async def declare(conn: Connection, *devs: str) -> None:
    """What a person does in the console: the device belongs to the node."""
    for dev in devs:
        await conn.execute("INSERT INTO device (node_id, dev) VALUES ('testnode1', %s)", (dev,))


async def test_what_was_refused_lands_once_the_device_is_known(
    ingest: None, device: Device, people: Connection
) -> None:
    """One series was stored, one refused: after the fix the second joins it, at its own time and
    arrival; asked for again, nothing is new. The device hears nothing of it."""
    sent = device.send("obs", {"ser": [{"k": "wt", "o": [0], "y": [70]}, BP | {"dev": "cuff9"}]})
    await until_count(people, "reject", 1)
    await until(lambda: [fb for fb in device.feedback() if "code" in fb])
    await declare(people, "cuff9")
    device.heard.clear()
    await ask(people)
    assert await results(people) == ["stored"]
    cursor = await people.execute(
        "SELECT kind, measured_at, replayed_at IS NULL, received_at < replayed_at,"
        " received_at = (SELECT received_at FROM reject) FROM reading ORDER BY stored_at"
    )
    at = datetime.fromtimestamp(sent["t"] / 1000).astimezone()
    assert await cursor.fetchall() == [("wt", at, True, None, True), ("bp", at, False, True, True)]
    await ask(people)
    assert await results(people) == ["nothing new"]
    assert await count(people, "reading") == 2
    assert [fb for fb in device.feedback() if "code" in fb or "st" in fb] == []


async def test_what_is_still_wrong_says_so(
    ingest: None, device: Device, people: Connection
) -> None:
    """Refused as before, in part, or unreadable: with the code; the row stays what it was."""
    device.send("obs", {"ser": [BP | {"u": "kPa"}]})
    device.raw("obs", b"{rubbish")
    device.send("obs", {"ser": [BP | {"dev": "cuff9"}, BP | {"u": "kPa"}]})
    await until_count(people, "reject", 4)
    await declare(people, "cuff9")
    await ask(people)
    first, second, third = await results(people)
    assert first.startswith("refused: E3102 /ser/0/u ")
    assert second.startswith("refused: E2001 ")
    assert third.startswith("stored in part, refused: E3102 /ser/1/u ")
    assert await count(people, "reading") == 1
    assert await count(people, "reject") == 4


async def test_a_vital_sign_learned_later_becomes_readings(
    ingest: None, device: Device, people: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The series kept aside are read with the new dictionary; before that, said to be unknown."""
    known = observation.VITALS
    ignorant = MappingProxyType({k: vital for k, vital in known.items() if k != "sleep"})
    monkeypatch.setattr(observation, "VITALS", ignorant)
    sleep = {"k": "sleep", "u": "min", "o": [0, 5], "y": [420, 430]}
    device.send("obs", {"ser": [BP, sleep, sleep | {"o": [9, 12]}]})
    await until_count(people, "reject", 2)
    await ask(people)
    assert await results(people) == ["refused: W2001 sleep is still unknown"]
    monkeypatch.setattr(observation, "VITALS", known)
    await ask(people)
    assert await results(people) == ["stored"]
    assert await count(people, "reading", "kind = 'sleep' AND replayed_at IS NOT NULL") == 4
    assert await count(people, "reading") == 5


async def test_without_a_clock_it_lands_where_it_would_have(
    ingest: None, device: Device, people: Connection
) -> None:
    """Placed by the time at which it came, not by that of the replay: the part that was stored is
    not stored twice."""
    body = {"t": None, "clk": "none", "up": 9000, "boot": 7, "seq": 3}
    ser = [{"k": "wt", "o": [8000], "y": [70]}, BP | {"dev": "cuff9", "o": [8000]}]
    device.raw("obs", msgspec.json.encode({"v": 0, "ser": ser} | body))
    await until_count(people, "reject", 1)
    await declare(people, "cuff9")
    await asyncio.sleep(0.3)
    await ask(people)
    assert await results(people) == ["stored"]
    cursor = await people.execute("SELECT DISTINCT received_at - measured_at FROM reading")
    ((behind,),) = await cursor.fetchall()
    assert timedelta(seconds=1) <= behind < timedelta(seconds=1.001)
    await ask(people)
    assert await results(people) == ["nothing new"]


async def test_waveforms_reports_and_births_are_taken_again(
    ingest: None, device: Device, people: Connection
) -> None:
    """A chunk of a device declared since is stored. A birth older than the one that is known says
    nothing any more; an event landed when it came, and does not land twice."""
    wave = {
        "k": "ecg",
        "ch": ["I"],
        "hz": 250,
        "n": 1,
        "enc": "i8",
        "ep": "e",
        "cs": 0,
        "d": "AA==",
    }
    device.send("wave", wave | {"dev": "patch1"})
    await until_count(people, "reject", 1)  # events overtake: they go their own way
    device.raw("event", b'{"type":"sos","id":5')
    await until_count(people, "reject", 2)
    await people.execute(
        "INSERT INTO reject (received_at, node_id, topic, code, reason, payload) VALUES"
        " (now() - interval '1 h', 'testnode1', 'hh/1/up/testnode1/birth', 'E9001', '', %s)",
        (msgspec.json.encode({"v": 0, "boot": 1, "seq": 9, "maker": "old", "model": "old"}),),
    )
    device.send("birth", {"maker": "acme", "model": "G2", "devs": [{"dev": "patch1"}]})
    await until(lambda: any(r["upto"] == 1 for r in device.receipts()))
    await ask(people)
    first, second, third = await results(people)
    assert (first, third) == ("stored", "nothing new")
    assert second.startswith("refused: E2101 /id")
    assert await count(people, "wave_chunk") == 1
    assert await count(people, "event") == 1
    assert await count(people, "node", "maker = 'acme'") == 1


async def test_a_message_nobody_can_store_stops_nothing(
    ingest: None, device: Device, people: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of five makes the database stumble every time: four are stored, the one is said."""
    for n in range(5):
        device.send("obs", {"ser": [BP | {"dev": "cuff9", "o": [n]}]})
    await until_count(people, "reject", 5)
    await declare(people, "cuff9")
    honest = replay.write

    async def stumble(conn: Connection, entries: Any) -> Any:
        if any(row.seq == 2 for entry in entries for row in entry.readings):
            raise TypeError("a bug")
        return await honest(conn, entries)

    monkeypatch.setattr(replay, "write", stumble)
    await ask(people)
    said = await results(people)
    assert [one.partition(" ")[0] for one in said] == ["stored"] * 2 + ["refused:"] + ["stored"] * 2
    assert "E9001" in said[2]


async def refuse_many(conn: Connection, number: int) -> None:
    """So many blood pressures of an unknown device, refused yesterday."""
    base = now_ms() - 86_400_000
    async with conn.cursor().copy(
        "COPY reject (received_at, node_id, topic, boot, seq, code, reason, payload) FROM STDIN"
    ) as copy:
        for n in range(number):
            body = {"v": 0, "boot": 3, "seq": n, "t": base + n * 1000, "clk": "ntp"}
            payload = msgspec.json.encode(body | {"ser": [BP | {"dev": "cuff9"}]})
            at = datetime.fromtimestamp((base + n * 1000) / 1000).astimezone()
            topic = "hh/1/up/testnode1/obs"
            await copy.write_row((at, "testnode1", topic, 3, n, "E4001", "", payload))


@pytest.mark.loop
async def test_ten_thousand_replays_hold_up_nobody(
    ingest: None, device: Device, people: Connection
) -> None:
    """While they run, live readings are stored and receipted one after the other, each within two
    seconds; in the end each of the ten thousand is there once."""
    total = 10_000
    await declare(people, "cuff9")
    await refuse_many(people, total)
    await ask(people)
    live = 0
    while await count(people, "reject", "replayed_at IS NULL"):
        device.pressure(120, seq=live)
        await until(lambda live=live: any(r["upto"] == live for r in device.receipts()), 2.0)
        live += 1
    assert live > 3
    assert await count(people, "reject", "replay_result = 'stored'") == total
    await until_count(people, "reading", total + live)
    cursor = await people.execute("SELECT count(*) FROM reading WHERE replayed_at IS NOT NULL")
    assert await cursor.fetchone() == (total,)


@pytest.mark.loop
async def test_a_killed_replay_doubles_nothing(
    device: Device, people: Connection, settings: IngestSettings
) -> None:
    """kill -9 in the middle, again and again: each is stored once, fed once and noted."""
    rand = random.Random(20261122)
    total = 2000
    await declare(people, "cuff9")
    await refuse_many(people, total)
    await ask(people)
    process = start_ingest(settings)
    try:
        kills = 0
        while await count(people, "reject", "replayed_at IS NULL"):
            if kills < 3 and await count(people, "reject", "replayed_at IS NOT NULL") > kills * 400:
                await asyncio.sleep(rand.uniform(0.0, 0.05))
                process.kill()
                process.wait()
                process = start_ingest(settings)
                kills += 1
            await asyncio.sleep(0.02)
        assert kills == 3
    finally:
        process.kill()
        process.wait()
    assert await count(people, "reading") == total
    cursor = await people.execute("SELECT sum(items) FROM batch WHERE kind = 'ingest'")
    assert await cursor.fetchone() == (total,)
    assert await count(people, "reject", "replay_result <> 'stored'") == 0
