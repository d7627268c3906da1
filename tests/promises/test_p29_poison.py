"""Promise 29: whatever comes is acknowledged and kept with its reason, and never in the way."""

import asyncio
import itertools
import os
import re
import statistics
import time
from pathlib import Path
from typing import Final

import pytest
import structlog

from contract import codec
from contract.errors import Refused
from contract.topics import RETAINED_UP
from ingest.settings import IngestSettings
from store.pool import Connection
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import NODE, OTHER, Device, count, running, until, until_count
from tests.promises.alone import ingest_process
from tests.promises.flood import poison, readings, send

_FULL: Final = os.environ.get("HEARTHBEAT_SCALE") == "full"
pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)] if _FULL else []
_SEED: Final = int(os.environ.get("HEARTHBEAT_SEED", "20261122"))
_EACH: Final = 100 if _FULL else 3
_IN_A_ROW: Final = 10_000 if _FULL else 1_500
_ROUNDS: Final = 5 if _FULL else 1
_PATIENCE_S: Final = 900.0 if _FULL else 60.0
_LOG: Final = structlog.get_logger()
# Who is poisoned at this speed is no device: the rates of nodes are another promise.
_RATES: Final = ("hard_per_s", "hard_burst", "hard_samples_per_s", "hard_samples_burst")


@pytest.fixture
def settings(settings: IngestSettings) -> IngestSettings:
    """As ever, without limits of rate."""
    return settings.model_copy(update=dict.fromkeys(_RATES, 1e9) | {"soft_factor": 1e6})


def refused(kind: str, payload: bytes) -> bool:
    """Whether the contract says that this is no message. Nothing clears what is retained; an event
    lands however broken it is."""
    if kind == "event" or (not payload and kind in RETAINED_UP):
        return False
    try:
        codec.decode(kind, payload)
    except Refused:
        return True
    return False


async def test_p29_every_kind_of_poison_is_kept_with_its_reason(
    broker: LiveBroker, device: Device, people: Connection, settings: IngestSettings
) -> None:
    """Every public kind, in JSON and CBOR, spoilt by the byte and by hostile texts: what is no
    message is in the reject table as it came, with code and reason; the hub stays ready, and the
    next good reading is stored."""
    broker.add_node(OTHER, OTHER)
    messages = poison(_EACH, _SEED)
    _LOG.info("scale", promise=29, messages=len(messages), seed=_SEED)
    async with running(settings):
        await until(lambda: "ready" in device.statuses())
        await asyncio.to_thread(send, broker, OTHER, messages)
        # The same bytes with the same numbers on another topic are a duplicate.
        wanted = {payload for kind, payload in messages if refused(kind, payload)}
        await _until_kept(people, wanted)
        device.pressure(120)
        await until_count(people, f"(SELECT FROM reading WHERE node_id = '{NODE}') AS own", 1)
        assert set(device.statuses()) <= {"ready", "degraded"}
        assert device.statuses()[-1] == "ready"
    assert await count(people, "reject", "code = '' OR reason = ''") == 0
    assert await count(people, "reject", "code = 'E9001'") == 0, "the hub's own fault"


async def _until_kept(conn: Connection, wanted: set[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        rows = await (await conn.execute(b"SELECT payload FROM reject")).fetchall()
        missing = wanted - {bytes(payload) for (payload,) in rows}
        if not missing:
            return
        assert time.monotonic() < deadline, (len(missing), min(missing))
        await asyncio.sleep(0.3)


async def test_p29_thousands_in_a_row_stall_nothing(
    broker: LiveBroker, device: Device, people: Connection, database_url: str, tmp_path: Path
) -> None:
    """Good readings alone, and as many together with as much poison: every good one is stored and
    every bad one is kept. The speeds are told as a ratio; benchmarks/ holds it to 90 %."""
    broker.add_node(OTHER, OTHER)
    ratios = []
    with ingest_process(database_url, broker, tmp_path / "log"):
        await until(lambda: "ready" in device.statuses())
        device.close()
        for n in range(_ROUNDS):
            stored, kept = 2 * n * _IN_A_ROW, n * _IN_A_ROW
            alone = await _timed(broker, people, stored, kept, [])
            mixed = await _timed(broker, people, stored + _IN_A_ROW, kept, _row(kept))
            ratios.append(2 * alone / mixed)
    ratio = round(statistics.median(ratios), 2)
    _LOG.info("scale", promise=29, in_a_row=_IN_A_ROW, rounds=_ROUNDS, speed_with_poison=ratio)


def _row(first: int) -> list[tuple[str, bytes]]:
    """Poison, each with a number of its own where it can be read, or it would be a duplicate."""
    bad = [one for one in poison(1, _SEED) if refused(*one) and one[1][:1] < b"\x80"]
    short = itertools.cycle(one for one in bad if 0 < len(one[1]) < 2000)
    return [
        (kind, re.sub(rb'"seq": ?\d+', b'"seq":%d' % (first + n), payload))
        for n, (kind, payload) in zip(range(_IN_A_ROW), short, strict=False)
    ]


async def _timed(
    broker: LiveBroker,
    conn: Connection,
    stored: int,
    kept: int,
    poisonous: list[tuple[str, bytes]],
) -> float:
    """Seconds from the first of these messages until the last is stored or kept."""
    good = readings(stored, _IN_A_ROW)
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(send, broker, NODE, good))
        if poisonous:
            group.create_task(asyncio.to_thread(send, broker, OTHER, poisonous))
        group.create_task(until_count(conn, "reading", stored + _IN_A_ROW, _PATIENCE_S))
    await _until_rejects(conn, kept + len(poisonous))
    return time.monotonic() - began


async def _until_rejects(conn: Connection, wanted: int) -> None:
    """Several defects of one message are several rows, so at least so many."""
    deadline = time.monotonic() + _PATIENCE_S
    while (found := await count(conn, "reject", "payload <> ''")) < wanted:
        assert time.monotonic() < deadline, f"{found} kept of {wanted}"
        await asyncio.sleep(0.05)
