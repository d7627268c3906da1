"""Promise 25: what comes ten times is one row, one episode, one item of the feed.

Resent by MQTT (DUP), said again by the application, on both connections of the hub, interleaved,
over a restart of ingest, and after the identities of messages are forgotten.
"""

import itertools
import json
from datetime import timedelta
from typing import Any

from ingest.settings import IngestSettings
from runtime.clock import SystemClock
from store import feed, message, retention
from store.feed import BlockItem, EventItem, ReadingItem
from store.pool import Connection
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import NODE, Device, count, now_ms, running, until, until_count
from tests.promises.judged import judged
from tests.promises.wire import Wire

TIMES = 10


def said(seq: int, **body: Any) -> bytes:
    """A counted message, the same bytes every time."""
    envelope = {"v": 0, "boot": 7, "seq": seq, "t": T + seq, "clk": "ntp", "rc": 1}
    return json.dumps(envelope | body).encode()


T = now_ms() - 60_000
SEVERE = said(0, ser=[{"k": "bp", "o": [0], "c": {"sys": [212], "dia": [126]}}])
DENSE = said(1, ser=[{"k": "spo2", "dt": 1000, "y": [97, None, 96]}])
CALL = said(2, type="call_doctor", id="call1", sev="critical")
ANSWER = said(3, acks=[{"id": "dose1", "st": "taken", "at": T}])
WAVE = said(4, k="ecg", ch=["I"], hz=250, n=2, enc="i16le", ep="e1", cs=0, d="AAD//w==", last=1)
MESSAGES = (("obs", SEVERE), ("obs", DENSE), ("event", CALL), ("ack", ANSWER), ("wave", WAVE))


async def there_once(conn: Connection, database_url: str) -> None:
    """One of each: rows, items of the feed, and one episode of each kind."""
    for table in ("reading", "block", "event", "wave_chunk"):
        here = "kind = 'bp'" if table == "reading" else "true"
        assert await count(conn, table, here) == 1, table
    assert await count(conn, "reading_conflict") == 0
    items = [item for batch in await feed.read_after(conn, 0) for item in batch.items]
    once = [i for i in items if isinstance(i, ReadingItem | BlockItem | EventItem)]
    assert sorted(type(i).__name__ for i in once if getattr(i, "kind", "") != "wt") == [
        "BlockItem",
        "EventItem",
        "ReadingItem",
    ]
    episodes = await judged(conn, database_url)
    rules = sorted((e["rule"], e["patient_id"]) for e in episodes)
    assert rules == [("call_for_help", 1), ("severe_pressure", 1)]


async def test_p25_dup_resent_and_after_a_restart(
    broker: LiveBroker,
    device: Device,
    people: Connection,
    settings: IngestSettings,
    database_url: str,
) -> None:
    """Each of five kinds ten times over, interleaved: with the DUP flag, from the application,
    from another connection, before and after a restart of ingest."""
    chosen = settings.model_copy(update={"writers": 4, "batch_messages": 3})
    for life in range(2):
        async with running(chosen):
            await until(lambda: "ready" in device.statuses())
            device.close()
            with Wire(broker, NODE) as wire:
                ids = itertools.count(1)
                for again in range(TIMES):
                    for kind, payload in MESSAGES if again % 2 else MESSAGES[::-1]:
                        topic = f"hh/1/up/{NODE}/{kind}"
                        wire.send(wire.publish(topic, payload, next(ids), dup=again > 0))
                last = said(5 + life, ser=[{"k": "wt", "o": [0], "y": [70 + life]}])
                wire.send(wire.publish(f"hh/1/up/{NODE}/obs", last, next(ids)))
                wire.taken(TIMES * len(MESSAGES) + 1)
            await until_count(people, "reading", 2 + life)
    await there_once(people, database_url)


async def test_p25_again_after_its_identity_is_forgotten(
    device: Device, people: Connection, settings: IngestSettings, database_url: str
) -> None:
    """Sixty days later nobody remembers the messages; the readings, samples, calls and waveforms
    know themselves."""
    async with running(settings):
        await until(lambda: "ready" in device.statuses())
        for kind, payload in MESSAGES:
            device.raw(kind, payload)
        await until_count(people, "message", len(MESSAGES))
        await there_once(people, database_url)
        later = SystemClock().now() + timedelta(days=message.KEPT_DAYS)
        async with people.transaction():
            await retention.forget(people, "messages", before=later)
        assert await count(people, "message") == 0
        for kind, payload in MESSAGES:
            device.raw(kind, payload)
        await until_count(people, "message", len(MESSAGES))
    await there_once(people, database_url)
