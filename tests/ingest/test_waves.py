"""up/wave: recordings arrive chunk by chunk, once, whoever sends them again."""

import base64
import struct
from typing import Any

import cbor2

from store.pool import Connection
from tests.ingest.conftest import Device, count, now_ms, until, until_count

CHUNK = {"k": "ecg", "ch": ["I", "II"], "hz": 250, "n": 3, "enc": "i16le", "sc": 0.01, "u": "mV",
         "ep": "rec1"}  # fmt: skip
SAMPLES = struct.pack("<6h", 1, -1, 2, -2, 3, -3)


def chunk(number: int, data: bytes = SAMPLES, **keys: Any) -> dict[str, Any]:
    """A chunk of the recording, as JSON says it."""
    return CHUNK | {"cs": number, "d": base64.b64encode(data).decode()} | keys


async def rows(conn: Connection, what: str) -> list[Any]:
    """Every chunk, in order."""
    cursor = await conn.execute(f"SELECT {what} FROM wave_chunk ORDER BY chunk".encode())
    return await cursor.fetchall()


async def test_a_recording_is_stored_as_it_came(
    ingest: None, device: Device, people: Connection
) -> None:
    """Bytes, scale, unit, place in time and whose it is; the last chunk says so; receipted."""
    t = now_ms() - 5000
    for n in range(3):
        device.send("wave", chunk(n, t=t + 12 * n) | ({"last": 1} if n == 2 else {}))
    await until_count(people, "wave_chunk", 3)
    await until(lambda: {"boot": 1, "upto": 2} in device.receipts())
    stored = await rows(people, "chunk, data, last, patient_id, clock::text, channels, kind")
    assert stored == [(n, SAMPLES, n == 2, 1, "ntp", ["I", "II"], "ecg") for n in range(3)]
    at = await rows(people, "round(extract(epoch FROM started_at) * 1000)")
    assert [int(value) for (value,) in at] == [t, t + 12, t + 24]
    assert await rows(people, "scale, zero, unit, hz, samples, seq") == [
        (0.01, 0.0, "mV", 250.0, 3, n) for n in range(3)
    ]


async def test_cbor_says_the_same(ingest: None, device: Device, people: Connection) -> None:
    """The samples as a byte string, half as long again."""
    body = {"v": 0, "boot": 1, "seq": 0, "t": now_ms(), "clk": "ntp", "cs": 0, "d": SAMPLES}
    device.raw("wave", cbor2.dumps(CHUNK | body))
    await until_count(people, "wave_chunk", 1)
    assert await rows(people, "data, encoding") == [(SAMPLES, "i16le")]


async def test_a_chunk_sent_again_changes_nothing(
    ingest: None, device: Device, people: Connection
) -> None:
    """Under the same number or, after a restart, under another."""
    sent = device.send("wave", chunk(0))
    device.send("wave", sent)
    device.send("wave", sent | {"boot": 2, "seq": 0})
    await until(lambda: {"boot": 2, "upto": 0} in device.receipts())
    assert await count(people, "wave_chunk") == 1
    assert await count(people, "reject") == 0
    assert [fb for fb in device.feedback() if "code" in fb] == []


async def test_other_samples_under_the_same_chunk_are_told_and_kept(
    ingest: None, device: Device, people: Connection
) -> None:
    """The first stays; the other one lies with the refusals, whole, and the maker is told."""
    device.send("wave", chunk(0))
    await until_count(people, "wave_chunk", 1)
    other = device.send("wave", chunk(0, bytes(12)))
    (told,) = await until(lambda: [fb for fb in device.feedback() if "code" in fb])
    assert (told["code"], told["path"], told["ok"], told["got"]) == ("W3301", "/cs", True, "rec1 0")
    assert await rows(people, "data") == [(SAMPLES,)]
    cursor = await people.execute("SELECT code, payload FROM reject")
    ((code, payload),) = await cursor.fetchall()
    assert (code, cbor2.loads(cbor2.dumps(other))["d"].encode() in payload) == ("W3301", True)


async def test_an_unknown_waveform_is_kept(
    ingest: None, device: Device, people: Connection
) -> None:
    """With a warning, and without one it would be stored just the same."""
    device.send("wave", chunk(0, k="eeg"))
    await until_count(people, "wave_chunk", 1)
    (told,) = await until(lambda: [fb for fb in device.feedback() if "code" in fb])
    assert (told["code"], told["path"], told["got"]) == ("W2001", "/k", "eeg")


async def test_a_chunk_of_an_undeclared_device_is_taken_once_it_is_declared(
    ingest: None, device: Device, people: Connection
) -> None:
    """Refused with E4001; after the birth the very same message is stored."""
    sent = device.send("wave", chunk(0, dev="patch1"))
    (told,) = await until(lambda: [fb for fb in device.feedback() if "code" in fb])
    assert (told["code"], told["path"]) == ("E4001", "/dev")
    device.send("birth", {"maker": "a", "model": "b", "devs": [{"dev": "patch1"}]})
    device.send("wave", sent)
    await until_count(people, "wave_chunk", 1)


async def test_without_a_clock_a_chunk_ends_at_its_arrival(
    ingest: None, device: Device, people: Connection
) -> None:
    """An impossible time is kept as a claim and told."""
    device.send("wave", chunk(0, t=5))
    await until_count(people, "wave_chunk", 1)
    assert await rows(
        people, "clock::text, received_at - started_at < '1 s', claimed_at IS NULL"
    ) == [("untrusted", True, False)]
    (told,) = await until(lambda: [fb for fb in device.feedback() if "code" in fb])
    assert told["code"] == "W3201"
