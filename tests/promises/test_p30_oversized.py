"""Promise 30: too large, too deep, too many levels: refused at the limit, within bounded memory."""

import asyncio
import contextlib
import json
import os
from pathlib import Path
from typing import Final

import pytest
import structlog

from contract.codec import MAX_PACKET
from store.pool import Connection
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import NODE, OTHER, Device, count, until, until_count
from tests.promises.alone import ingest_process
from tests.promises.flood import readings, send
from tests.promises.wire import Wire, raw_publish

_FULL: Final = os.environ.get("HEARTHBEAT_SCALE") == "full"
pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)] if _FULL else []
_AGAIN: Final = 200 if _FULL else 8
_MEMORY: Final = 50 * 1024 * 1024
_LOG: Final = structlog.get_logger()
_TOPIC: Final = f"hh/1/up/{OTHER}/obs"
# From nothing to beyond what the broker takes, each step about a half more; and around the limit.
SIZES: Final = sorted(
    {int(1.5**n) for n in range(30) if 1.5**n < MAX_PACKET}
    | {MAX_PACKET + n for n in (-1, 0, 1, 2, 100, 2000)}
)
DEEP: Final = {
    "arrays": b'{"a":' + b"[" * 100_000,
    "arrays, closed": b'{"a":' + b"[" * 60_000 + b"]" * 60_000 + b"}",
    "objects": b'{"a":' * 26_000,
    "CBOR arrays": b"\xa1\x61a" + b"\x81" * 100_000,
    "CBOR maps": b"\xa1\x61a" * 33_000,
    "CBOR tags": b"\xa1\x61a" + b"\xc1" * 100_000,
}


def memory(pid: int, what: str = "VmRSS") -> int:
    """Bytes a process holds now, or (VmHWM) held at most."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) * 1024
    raise AssertionError(what)


def padded(size: int) -> bytes:
    """A good reading that is so large, by a key nobody knows; rubbish where that is too small."""
    series = [{"k": "bp", "o": [0], "c": {"sys": [148], "dia": [91]}}]
    said = {"v": 0, "boot": 2, "seq": size, "t": 1_795_000_000_000 + size, "clk": "ntp"}
    bare = len(json.dumps(said | {"ser": series, "x_p": ""}).encode())
    if size < bare:
        return b"x" * size
    return json.dumps(said | {"ser": series, "x_p": "x" * (size - bare)}).encode()


async def test_p30_too_large_is_refused_at_the_limit_within_bounded_memory(
    broker: LiveBroker, device: Device, people: Connection, database_url: str, tmp_path: Path
) -> None:
    """From one byte to above the limit of a packet, again and again, then depth 100,000: what fits
    is taken, what does not is refused with E5001, and ingest holds less than 50 MB more than
    before, at any moment."""
    broker.add_node(OTHER, OTHER)
    with ingest_process(database_url, broker, tmp_path / "log") as pid:
        await until(lambda: "ready" in device.statuses())
        await asyncio.to_thread(send, broker, NODE, readings(0, 500))
        await until_count(people, "reading", 500)
        before = memory(pid)
        for _ in range(_AGAIN):
            every = [("obs", padded(size)) for size in SIZES]
            await asyncio.to_thread(send, broker, OTHER, every)
            await asyncio.to_thread(send, broker, OTHER, [("obs", deep) for deep in DEEP.values()])
        await asyncio.to_thread(send, broker, NODE, readings(500, 1))
        own = f"(SELECT FROM reading WHERE node_id = '{NODE}') AS own"
        await until_count(people, own, 501, 600.0 if _FULL else 60.0)
        grown, peak = memory(pid) - before, memory(pid, "VmHWM") - before
    _LOG.info(
        "scale", promise=30, messages=_AGAIN * (len(SIZES) + len(DEEP)), grown=grown, peak=peak
    )
    fits = [size for size in SIZES if size <= MAX_PACKET and padded(size)[:1] == b"{"]
    assert await count(people, "reading", f"node_id = '{OTHER}'") == len(fits)
    cursor = await people.execute(
        "SELECT DISTINCT code FROM reject WHERE length(payload) > %s", (MAX_PACKET,)
    )
    assert await cursor.fetchall() == [("E5001",)]
    assert peak < _MEMORY, f"{grown / 2**20:.0f} MB more, {peak / 2**20:.0f} MB at most"


async def test_p30_the_broker_ends_what_is_beyond_it(
    broker: LiveBroker, ingest: None, device: Device, people: Connection
) -> None:
    """A packet larger than the broker takes, one that claims to be of 256 MB, and topics of a
    thousand levels: that connection ends, the others go on."""
    broker.add_node(OTHER, OTHER)
    beyond = [
        raw_publish(_TOPIC.encode(), b"x" * (MAX_PACKET + 10_000)),
        b"\x32\xff\xff\xff\x7f" + b"x" * 100_000,
        raw_publish(_TOPIC.encode() + b"/a" * 1000, b"{}"),
        raw_publish(b"/" * 1000, b"{}"),
        raw_publish(b"hh/1/up/" + b"a/" * 1000, b"{}"),
    ]
    for packet in beyond:
        with Wire(broker, OTHER) as wire, contextlib.suppress(ConnectionError):
            wire.send(packet)
            answer = wire.read()
            assert answer is None or type(answer).__name__ == "DisconnectPacket"
    device.pressure(120)
    await until_count(people, "reading", 1)
    assert await count(people, "reject") == 0
    assert device.statuses()[-1] == "ready"
