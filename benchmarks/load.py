"""A cheap generator: MQTT 5 packets written by hand over one blocking socket, in a process of its
own. Many nodes speak over one connection; only a benchmark's broker allows that.

    python benchmarks/load.py '{"host": …}'     (see Load)
"""

import mmap
import os
import select
import socket
import struct
import sys
import threading
import time
from pathlib import Path

import mqtt5
import msgspec
from msgspec import Struct

_PROGRESS = struct.Struct("<Q")
_CHUNK = 64
_WRONG = b"hh/1/up/wrongnode/obs"
_SAMPLES = ",".join(str(60 + n % 40) for n in range(60)).encode()


class Load(Struct, frozen=True, kw_only=True):
    """What to send. `shape`: single (a blood pressure), block (60 samples) or day (of a province:
    of the records of 23 messages a tenth are pressures, 20 messages, and the rest samples, 3).

    `ahead` bounds how far the generator runs before what `progress` says was stored; `rate` is in
    messages a second, 0 for as fast as possible: then readings are a millisecond apart, because a
    node that says two things of one instant contradicts itself.
    """

    host: str
    port: int
    user: str
    password: str
    nodes: int
    messages: int
    progress: str
    boot: int = 1
    shape: str = "single"
    ahead: int = 4_000
    rate: float = 0.0
    wrong: int = 0  # so many refused messages of one more node, spread over the whole
    first: int = 0  # the number each node begins with


def end_with_parent() -> None:
    """End this process when whoever started it has ended: its input is a pipe nobody writes to."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


class Progress:
    """A number shared by processes through a small file."""

    def __init__(self, path: Path | str) -> None:
        path = Path(path)
        if not path.exists():
            path.write_bytes(bytes(_PROGRESS.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _PROGRESS.size)

    def get(self) -> int:
        """What was written last."""
        return int(_PROGRESS.unpack(self._map)[0])

    def set(self, value: int) -> None:
        """Tell the others."""
        self._map[:] = _PROGRESS.pack(value)


def single(boot: int, seq: int, now: int) -> bytes:
    """One blood pressure, measured now."""
    return (
        b'{"v":0,"boot":%d,"seq":%d,"t":%d,"clk":"ntp","rc":1,'
        b'"ser":[{"k":"bp","o":[0],"c":{"sys":[%d],"dia":[%d]},"pos":"sitting"}]}'
    ) % (boot, seq, now, 100 + seq % 60, 60 + seq % 30)


def block(boot: int, seq: int, now: int) -> bytes:
    """A minute of pulse, a sample a second, at an instant of its own."""
    return (
        b'{"v":0,"boot":%d,"seq":%d,"t":%d,"clk":"ntp","rc":1,"hist":1,'
        b'"ser":[{"k":"pr","dt":1000,"y":[%s]}]}'
    ) % (boot, seq, now - 7_200_000 + seq * 60_000 % 3_600_000 + seq, _SAMPLES)


def wrong(boot: int, seq: int, now: int) -> bytes:
    """A blood pressure in a unit that it never has."""
    return (
        b'{"v":0,"boot":%d,"seq":%d,"t":%d,"clk":"ntp","rc":1,'
        b'"ser":[{"k":"bp","u":"mmol/L","o":[0],"c":{"sys":[130],"dia":[80]}}]}'
    ) % (boot, seq, now)


def day(boot: int, seq: int, now: int) -> bytes:
    """A pressure of now, or the next minute of a pulse that began when the clock was round."""
    turn, place = divmod(seq, 23)
    if place % 8 != 7 and place != 22:
        return single(boot, seq, now)
    minute = 3 * turn + place // 8
    start = _SINCE + minute * 60_000
    return (
        b'{"v":0,"boot":%d,"seq":%d,"t":%d,"clk":"ntp","rc":1,"hist":1,'
        b'"ser":[{"k":"pr","dt":1000,"y":[%s]}]}'
    ) % (boot, seq, start, _SAMPLES)


# Long enough ago for everything that follows to lie in the past, at the beginning of a day.
_SINCE = (time.time_ns() // 86_400_000_000_000 - 3) * 86_400_000
_SHAPES = {"single": single, "block": block, "day": day}


class Wire:
    """One connection; counts what the broker has acknowledged."""

    def __init__(self, load: Load) -> None:
        self.acknowledged = 0
        self._rest = b""
        self._packet_id = 0
        self._socket = socket.create_connection((load.host, load.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        password = load.password.encode()
        hello = mqtt5.ConnectPacket("", username=load.user, password=password, keep_alive=600)
        self._socket.sendall(hello.write())
        answer = self._socket.recv(4096)
        welcome = mqtt5.read(memoryview(answer))[0]
        assert isinstance(welcome, mqtt5.ConnAckPacket), welcome
        self.window = min(welcome.receive_max, 1_000)
        self._socket.setblocking(False)

    def publish(self, topic: bytes, payload: bytes) -> bytes:
        """The bytes of one message at QoS 1."""
        self._packet_id = self._packet_id % 65_535 + 1
        rest = struct.pack(">H", len(topic)) + topic + struct.pack(">HB", self._packet_id, 0)
        length = len(rest) + len(payload)
        head = (
            bytes((0x32, length))
            if length < 128
            else bytes((0x32, length & 127 | 128, length >> 7))
        )
        return head + rest + payload

    def send(self, data: bytes) -> None:
        """Write all of it, reading acknowledgements meanwhile."""
        while data:
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                self.hear(0.01, also_writable=True)

    def hear(self, patience_s: float, *, also_writable: bool = False) -> None:
        """Take the acknowledgements that are there."""
        writers = [self._socket] if also_writable else []
        readable, _, _ = select.select([self._socket], writers, [], patience_s)
        if not readable:
            return
        data = self._rest + self._socket.recv(65_536)
        at = 0
        while at + 2 <= len(data) and at + 2 + data[at + 1] <= len(data):
            self.acknowledged += data[at] == 0x40
            at += 2 + data[at + 1]
        self._rest = data[at:]


def run(load: Load) -> None:
    """Send everything and wait until the broker has it."""
    wire, progress = Wire(load), Progress(load.progress)
    make, nodes = _SHAPES[load.shape], load.nodes
    topics = [b"hh/1/up/bench%06d/obs" % n for n in range(1, nodes + 1)]
    every = load.messages // load.wrong if load.wrong else 0
    sent = good = 0
    before, started = progress.get(), time.monotonic()
    origin = time.time_ns() // 1_000_000 - load.messages // nodes - 1
    while good < load.messages:
        allowed = min(load.messages, good + _CHUNK)
        if load.rate:
            allowed = min(allowed, int((time.monotonic() - started) * load.rate))
        free = sent - wire.acknowledged < wire.window - 2 * _CHUNK
        if allowed <= good or not free or sent + before - progress.get() > load.ahead:
            wire.hear(0.001)
            continue
        now, packets = time.time_ns() // 1_000_000, []
        for n in range(good, allowed):
            seq, at = load.first + n // nodes, now if load.rate else origin + n // nodes
            packets.append(wire.publish(topics[n % nodes], make(load.boot, seq, at)))
            if every and n % every == 0:
                packets.append(wire.publish(_WRONG, wrong(load.boot, n // every, now)))
        wire.send(b"".join(packets))
        sent, good = sent + len(packets), allowed
        wire.hear(0)
    while wire.acknowledged < sent:
        wire.hear(1.0)


if __name__ == "__main__":
    end_with_parent()
    run(msgspec.json.decode(sys.argv[1], type=Load))
