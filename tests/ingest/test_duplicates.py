"""Duplicates and disorder: the rows are those of the run in which all came once, in order."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingest.decode import decode
from ingest.identify import Identifier
from ingest.mqtt_session import Arrival
from ingest.settings import IngestSettings
from ingest.validate import validate
from ingest.write import write
from runtime.clock import SystemClock
from store.line import Line
from store.partition import Partitions
from store.pool import Connection
from tests.ingest.conftest import Device, count, now_ms, running, until, until_count

NOW = SystemClock().now()
BASE = now_ms() - 3_600_000


def message(seq: int, sys: int, minute: int, fix: bool, who: str | None) -> bytes:
    """One blood pressure of the cuff, perhaps a correction of what it said for that minute."""
    series: dict[str, Any] = {"k": "bp", "dev": "cuff1", "o": [0], "rec": minute}
    series["c"] = {"sys": [sys], "dia": [60]}
    if fix:
        series["fix"] = 1
    if who:
        series["who"] = who
    t = BASE + minute * 60_000
    if fix:
        series["o"] = [-seq]
        t += seq
    body = {"v": 0, "boot": 1, "seq": seq, "t": t, "clk": "ntp", "ser": [series]}
    return json.dumps(body).encode()


async def run(conn: Connection, line: Line, batches: list[list[bytes]]) -> Any:
    """Send batches through decode, validate, identify and write, and give back what is stored."""
    await conn.execute("TRUNCATE reading, reading_conflict, message, batch, event")
    identifier = Identifier(line, ttl_s=60, monotonic=asyncio.get_running_loop().time)
    partitions = Partitions()
    for batch in batches:
        arrivals = [Arrival("hh/1/up/testnode1/obs", payload, NOW) for payload in batch]
        entries = await identifier.identify([validate(decode(a)) for a in arrivals])
        months = partitions.missing("reading", (r.measured_at for e in entries for r in e.readings))
        if months:
            await partitions.ensure(conn, "reading", months)
        async with conn.transaction():
            await write(conn, entries)
    columns = (
        "device_id, kind, measured_at, ordinal, patient_id, v0, v1, flags, who, fix, boot, seq"
    )
    cursor = await conn.execute(f"SELECT {columns} FROM reading ORDER BY 1, 2, 3, 4".encode())
    return await cursor.fetchall()


MESSAGES = st.lists(
    st.tuples(
        st.integers(100, 220),
        st.integers(0, 5),
        st.booleans(),
        st.sampled_from([None, "A", "B"]),
    ),
    max_size=8,
    unique_by=lambda said: (said[1], said[2]),
)


@given(said=MESSAGES, data=st.data())
@hypothesis_settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_ten_times_and_shuffled_is_once_and_in_order(
    people: Connection, database_url: str, said: Any, data: st.DataObject
) -> None:
    """Readings and corrections, each ten times, in any order, in any batches: the same rows."""
    # A value and its correction: whoever is corrected was said before.
    ordered = sorted(said, key=lambda one: one[2])
    payloads = [message(seq, *one) for seq, one in enumerate(ordered)]
    line = Line(database_url, name="test")
    expected = await run(people, line, [payloads])
    many = data.draw(st.permutations(payloads * 10))
    cut = data.draw(st.integers(1, 30))
    batches = [many[at : at + cut] for at in range(0, len(many), cut)]
    assert await run(people, line, batches) == expected
    assert await count(people, "reading_conflict") == 0
    await line.close()


@pytest.mark.parametrize("writers", [1, 4])
async def test_duplicates_over_the_broker(
    device: Device, people: Connection, settings: IngestSettings, writers: int
) -> None:
    """The same fifty messages ten times over, forwards and backwards, written by one or by four
    at once: fifty rows, fifty items of the feed."""
    payloads = [message(seq, 100 + seq, seq, False, "A") for seq in range(50)]
    chosen = settings.model_copy(update={"writers": writers, "batch_messages": 20})
    async with running(chosen):
        await until(lambda: "ready" in device.statuses())
        for again in range(10):
            for payload in payloads if again % 2 else payloads[::-1]:
                device._client.publish(f"hh/1/up/{device.node}/obs", payload, 1)
        device.send("obs", {"ser": [{"k": "wt", "o": [0], "y": [70]}], "seq": 50})
        await until_count(people, "reading", 51)
        await until(lambda: {"boot": 1, "upto": 50} in device.receipts())
    cursor = await people.execute("SELECT sum(items), (SELECT count(*) FROM reading) FROM batch")
    assert await cursor.fetchone() == (51, 51)
