"""A device that begins the numbers of a boot again: no old number is receipted as a new one."""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from ingest.at_work import AtWork
from ingest.settings import IngestSettings
from store.pool import Connection
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import NODE, Device, count, now_ms, running, until, until_count


def pressure(seq: int, t: int, sys: int) -> bytes:
    """One blood pressure."""
    body = {"v": 0, "boot": 1, "seq": seq, "t": t, "clk": "ntp", "rc": 1}
    body["ser"] = [{"k": "bp", "o": [0], "c": {"sys": [sys], "dia": [80]}}]
    return json.dumps(body).encode()


def receipted(device: Device) -> set[int]:
    """Every number that any receipt so far covers."""
    found: set[int] = set()
    for receipt in device.receipts():
        found |= set(range(receipt["upto"] + 1))
        for low, high in receipt.get("also", []):
            found |= set(range(low, high + 1))
    return found


@pytest.mark.parametrize("size", [7, 1000])
async def test_both_counts_wait_at_the_broker(
    device: Device, people: Connection, settings: IngestSettings, size: int
) -> None:
    """While the hub is away a device sends twenty readings, loses its count, and sends three under
    the first numbers. They come in one batch, or in several that two writers have in work: all are
    stored, and once the hub has noticed no number is receipted that it has not used again, or it
    would throw away what it has not sent yet."""
    async with running(settings):
        await until(lambda: "ready" in device.statuses())
        device.raw("obs", pressure(0, now_ms(), 99))
        await until(lambda: 0 in receipted(device))
    device.heard.clear()
    base = now_ms()
    for seq in range(1, 21):
        device.raw("obs", pressure(seq, base + seq, 100 + seq))
    for seq in range(3):
        device.raw("obs", pressure(seq, base + 100 + seq, 150 + seq))
    async with running(settings.model_copy(update={"batch_messages": size})):
        await until_count(people, "reading", 24)
        await until(lambda: [fb for fb in device.feedback() if fb.get("code") == "W4002"])
        await asyncio.sleep(0.5)
        device.heard.clear()
        for seq in range(4):  # what is not receipted it sends again
            device.raw("obs", pressure(seq, base + 100 + seq, 150 + seq))
        await until(lambda: {0, 1, 2, 3} <= receipted(device))
        assert await count(people, "message", "seq > 3") == 0
    assert max(receipted(device)) == 3
    assert await count(people, "reading") == 25


async def test_two_writers_may_forget_at_the_same_time() -> None:
    """Who waits for the others is not waited for."""
    both = AtWork()
    both.begin("a")
    both.begin("b")
    async with asyncio.timeout(5):
        await asyncio.gather(both.others_end("a", 60), both.others_end("b", 60))
    both.begin("a")
    both.begin("b")
    waits = asyncio.create_task(both.others_end("a", 60))
    await asyncio.sleep(0.05)
    assert not waits.done()
    both.end("b")
    async with asyncio.timeout(5):
        await waits


async def test_numbers_used_again_and_again_are_no_trouble_of_the_hub(
    device: Device, people: Connection, settings: IngestSettings, broker: LiveBroker
) -> None:
    """A device that uses five numbers for everything it says, and several writers: all is stored,
    and the hub stays ready."""
    more: dict[str, Any] = {"batch_messages": 5, "writers": 4, "degraded_after_s": 0.3}
    async with running(settings.model_copy(update=more)):
        await until(lambda: "ready" in device.statuses())
        base = now_ms() - 10_000
        for n in range(400):
            device._client.publish(
                f"hh/1/up/{NODE}/obs", pressure(n % 5, base + n, 100 + n % 50), 1
            )
        await until_count(people, "reading", 400)
    assert Counter(device.statuses())["degraded"] == 0
