"""A dense series with an unbelievable clock: it begins when it came, its claim stays beside."""

from datetime import UTC, datetime, timedelta

from store.pool import Connection
from tests.ingest.conftest import Device, until_count

SERIES = {"k": "spo2", "dev": "cuff1", "dt": 1000, "y": [97, None, 96]}


async def test_a_block_keeps_the_start_it_claimed(
    ingest: None, device: Device, people: Connection
) -> None:
    """1970, like a device that just got power."""
    device.send("obs", {"t": 5000, "ser": [SERIES]})
    await until_count(people, "block", 1)
    cursor = await people.execute("SELECT clock::text, start_at, claimed_at FROM block")
    ((clock, start_at, claimed_at),) = await cursor.fetchall()
    assert clock == "untrusted"
    assert datetime.now(UTC) - start_at < timedelta(minutes=1)
    assert claimed_at.year == 1970
