"""Chunks of recordings: idempotent by identity; another content is told, the first stays."""

from typing import Any

from store import wave
from store.pool import Connection
from store.wave import ChunkRow
from tests.store.series import AT


def row(**given: Any) -> ChunkRow:
    """One chunk of one channel."""
    usual: dict[str, Any] = {
        "device_id": 1, "recording": "r", "chunk": 0, "kind": "ecg", "patient_id": 1,
        "started_at": AT, "hz": 250.0, "samples": 4, "channels": ["I"], "encoding": "i8",
        "scale": 0.1, "zero": 0.0, "unit": "mV", "last": False, "data": b"\x00\x01\x02\xff",
        "clock": "ntp", "claimed_at": None, "node_id": "n", "boot": 1, "seq": 1, "received_at": AT,
    }  # fmt: skip
    return ChunkRow(**(usual | given))


async def test_the_first_of_an_identity_stays(conn: Connection) -> None:
    """In one batch and over several; the same again is no difference, other samples are."""
    first = await wave.write(conn, [row(), row(chunk=2), row(chunk=1), row()])
    assert first == ([0, 1, 2], [])
    again = await wave.write(conn, [row(data=b"abcd"), row(), row(chunk=3), row(scale=0.2)])
    assert again == ([2], [0, 3])
    cursor = await conn.execute("SELECT chunk, data FROM wave_chunk ORDER BY chunk")
    assert await cursor.fetchall() == [(n, b"\x00\x01\x02\xff") for n in range(4)]
    assert await wave.write(conn, []) == ([], [])


async def test_the_time_is_no_content(conn: Connection) -> None:
    """Without a clock a chunk sent again is placed elsewhere and is still the same chunk."""
    await wave.write(conn, [row()])
    later = AT.replace(hour=5)
    again = await wave.write(conn, [row(started_at=later, received_at=later, boot=2, seq=9)])
    assert again == ([], [])
