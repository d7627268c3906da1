"""The bare loop: what this machine can do at all, to compare ingest with in the same run.

An MQTT 5 session over the same codec, a typed decode, one binary COPY into the same table with the
same indexes, commit, PUBACK. It validates nothing, knows no identity, keeps no message, feeds
nobody and sends no receipts.

    python benchmarks/bare_loop.py <broker-url> <database-url> <progress file>
"""

import asyncio
import contextlib
import struct
import sys
from collections.abc import Callable
from typing import Any

import mqtt5
import msgspec
from load import Progress, end_with_parent
from psycopg import AsyncConnection

from contract.messages import Obs
from runtime.settings import parse_broker_url

_READING = (
    "COPY reading (device_id, kind, measured_at, ordinal, patient_id, v0, v1, flags, clock,"
    " node_id, boot, seq, sent_at, received_at, context) FROM STDIN (FORMAT BINARY)"
)
_BLOCK = (
    "COPY block (device_id, kind, start_at, part, step_ms, samples, patient_id, flags, clock,"
    " node_id, boot, seq, received_at) FROM STDIN (FORMAT BINARY)"
)
_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_EPOCH_US = 946_684_800_000_000
_BATCH_S = 0.02
_DECODER = msgspec.json.Decoder(Obs)


def field(value: bytes) -> bytes:
    """One field of binary COPY."""
    return struct.pack(">i", len(value)) + value


_ROW = struct.Struct(">hiq")
_TIMES = struct.Struct(">iq iq iq id id ii")
_COUNTS = struct.Struct(">iq iq iq iq")
_BP, _NTP, _SITTING = field(b"bp"), field(b"ntp"), field(b'\x01{"pos": "sitting"}')


def reading_row(device: int, node: bytes, obs: Obs, received: int) -> bytes:
    """One blood pressure as a row of binary COPY."""
    columns: Any = obs.ser[0].c
    at = (obs.t or 0) * 1000 - _EPOCH_US
    return b"".join(
        (
            _ROW.pack(15, 8, device),
            _BP,
            _TIMES.pack(8, at, 8, 0, 8, device, 8, columns["sys"][0], 8, columns["dia"][0], 4, 0),
            _NTP,
            field(node),
            _COUNTS.pack(8, obs.boot, 8, obs.seq, 8, at, 8, received),
            _SITTING,
        )
    )


_PR = field(b"pr")
_START = struct.Struct(">iq ih ii")
_OWNER = struct.Struct(">iq ii")
_BOOT = struct.Struct(">iq iq iq")


def block_row(device: int, node: bytes, obs: Obs, received: int) -> bytes:
    """A series of samples as a row of binary COPY."""
    samples: Any = obs.ser[0].y
    n = len(samples)
    packed: list[Any] = [4] * (2 * n)
    packed[1::2] = samples
    values = struct.pack(">iiIii" + "if" * n, 1, 0, 700, n, 1, *packed)
    at = (obs.t or 0) * 1000 - _EPOCH_US
    return b"".join(
        (
            _ROW.pack(13, 8, device),
            _PR,
            _START.pack(8, at, 2, 0, 4, obs.ser[0].dt),
            field(values),
            _OWNER.pack(8, device, 4, 0),
            _NTP,
            field(node),
            _BOOT.pack(8, obs.boot, 8, obs.seq, 8, received),
        )
    )


class Bare(asyncio.Protocol):
    """Bytes into packets; keeps what was published."""

    def __init__(self, hello: bytes) -> None:
        self._hello = hello
        self._buffer = b""
        self.waiting: list[mqtt5.PublishPacket] = []
        self.transport: Any = None
        self.subscribed = asyncio.Event()
        self.some = asyncio.Event()
        self.first_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        at = 0
        with memoryview(buffer) as view:
            while True:
                try:
                    packet, length = mqtt5.read(view[at:])
                except IndexError:
                    break
                at += length
                if isinstance(packet, mqtt5.SubAckPacket):
                    self.subscribed.set()
                if isinstance(packet, mqtt5.PublishPacket):
                    self.waiting.append(packet)
        self._buffer = buffer[at:]
        if self.waiting and not self.some.is_set():
            self.first_at = asyncio.get_running_loop().time()
            self.some.set()


async def main(broker_url: str, database_url: str, progress: str) -> None:
    """Until killed."""
    broker = parse_broker_url(broker_url)
    password = (broker.password or "").encode()
    hello = mqtt5.ConnectPacket(
        "bare", username=broker.user, password=password, receive_max=5000, keep_alive=600
    ).write()
    wanted = [mqtt5.TopicFilter("hh/1/up/+/obs", max_qos=mqtt5.QoS.AT_LEAST_ONCE)]
    hello += mqtt5.SubscribePacket(1, wanted).write()
    loop = asyncio.get_running_loop()
    _, bare = await loop.create_connection(lambda: Bare(hello), broker.host, broker.port)
    conn = await AsyncConnection.connect(database_url, autocommit=True)
    cursor = await conn.execute("SELECT node_id, id FROM device")
    devices = {
        f"hh/1/up/{node}/obs": (id_, field(node.encode())[4:])
        for node, id_ in await cursor.fetchall()
    }
    said, stored = Progress(progress), 0
    await bare.subscribed.wait()
    said.set(0)
    while True:
        if len(bare.waiting) < 5000:
            await bare.some.wait()
            await asyncio.sleep(max(0.0, bare.first_at + _BATCH_S - loop.time()))
        bare.some.clear()
        taken, bare.waiting = bare.waiting[:5000], bare.waiting[5000:]
        await store(conn, taken, devices)
        acks = [0x40020000 | int(packet.packet_id or 0) for packet in taken]
        bare.transport.write(struct.pack(f">{len(acks)}I", *acks))
        stored += len(taken)
        said.set(stored)


async def store(
    conn: AsyncConnection[Any],
    taken: list[mqtt5.PublishPacket],
    devices: dict[str, tuple[int, bytes]],
) -> None:
    """One transaction."""
    received = int(asyncio.get_running_loop().time() * 1_000_000)
    messages = [_DECODER.decode(packet.payload) for packet in taken]
    row: Callable[..., bytes] = block_row if messages[0].ser[0].o is None else reading_row
    rows = [row(*devices[p.topic], obs, received) for p, obs in zip(taken, messages, strict=True)]
    table = _BLOCK if row is block_row else _READING
    async with conn.transaction(), conn.cursor() as cursor, cursor.copy(table) as copy:
        await copy.write(_HEAD + b"".join(rows) + b"\xff\xff")


if __name__ == "__main__":
    end_with_parent()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:]))
