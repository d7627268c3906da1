"""The way of a message: stored, acknowledged, receipted, told about."""

from store.pool import Connection
from tests.ingest.conftest import Device, until, until_count


async def test_a_reading_is_stored_and_receipted(
    ingest: None, device: Device, people: Connection
) -> None:
    """A blood pressure becomes one row of the right patient, and the device gets its receipt."""
    device.pressure(148, 91)
    await until_count(people, "reading", 1)
    row = await (await people.execute("SELECT v0, v1, patient_id, clock FROM reading")).fetchone()
    assert row == (148.0, 91.0, 1, "ntp")
    await until(device.receipts)
    assert device.receipts()[-1] == {"boot": 1, "upto": 0}
