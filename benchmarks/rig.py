"""What the ingest benchmark runs on: a database and a broker of its own, and what they cost."""

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
from load import Load, Progress
from msgspec import Struct

from contract.acl import ACL
from ingest.settings import IngestSettings
from runtime.clock import SystemClock
from runtime.mosquitto_server import MosquittoServer
from runtime.postgres_server import PostgresServer
from store.partition import Partitions, month_of

_HERE = Path(__file__).parent
_TICK = os.sysconf("SC_CLK_TCK")
# One user may speak for every node, from the hub's own listener: only here.
_ACL = f"{ACL}\nuser bench\ntopic write hh/1/up/+/obs\n"
_EMPTY = (
    "TRUNCATE area, patient, reading, block, message, batch, reject, event RESTART IDENTITY CASCADE"
)
_PEOPLE = """
INSERT INTO area (level, name) VALUES ('village', 'v');
INSERT INTO patient (name, area_id, pseudonym)
    SELECT 'p', 1, 'r:' || lpad(n::text, 16, '0') FROM generate_series(1, {nodes}) n;
INSERT INTO node (id, area_id)
    SELECT 'bench' || lpad(n::text, 6, '0'), 1 FROM generate_series(1, {nodes}) n;
INSERT INTO node (id, area_id) VALUES ('wrongnode', 1);
INSERT INTO device (node_id, dev) SELECT id, '' FROM node ORDER BY id;
INSERT INTO device_binding (device_id, patient_id, during)
    SELECT n, n, '[2020-01-01,)' FROM generate_series(1, {nodes}) n;
"""


class Cost(Struct, frozen=True):
    """CPU seconds of each part."""

    hub: float
    database: float
    broker: float
    generator: float

    def per(self, messages: int) -> str:
        """In microseconds a message."""
        parts = (self.hub, self.database, self.broker, self.generator)
        return " ".join(f"{part / messages * 1e6:6.1f}" for part in parts)


class Result(Struct, frozen=True, kw_only=True):
    """One run."""

    messages: int
    seconds: float
    cost: Cost
    rss_mb: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


class Rig:
    """Database, broker, and one of two subjects taking what the generator sends."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.database = PostgresServer(home / "postgres")
        self.broker = MosquittoServer(
            home / "mosquitto", acl=_ACL, services=("hub-ingest", "bench")
        )
        self.boot = 0
        self.nodes = 0

    def people(self, nodes: int) -> None:
        """An empty database with so many nodes, each with a device and a patient."""
        with psycopg.connect(self.database.url, autocommit=True) as conn:
            conn.execute(_EMPTY.encode())
            conn.execute(_PEOPLE.format(nodes=nodes).encode())
            conn.execute(b"VACUUM ANALYZE node, device, device_binding")
        asyncio.run(self._months())
        # Whoever comes first after a checkpoint writes whole pages: both subjects do.
        with psycopg.connect(self.database.admin_url, autocommit=True) as conn:
            conn.execute(b"CHECKPOINT")
        self.nodes = nodes

    async def _months(self) -> None:
        """Where the rows of now lie, for whoever makes none by itself."""
        now = SystemClock().now()
        async with await psycopg.AsyncConnection.connect(self.database.url) as conn:
            for series in ("reading", "block"):
                await Partitions().ensure(conn, series, {month_of(now)})

    @contextlib.contextmanager
    def subject(self, which: str, **settings: object) -> Iterator[int]:
        """The bare loop or ingest, running; yields its process id."""
        progress = self._progress()
        Progress(progress).set(_NOT_READY)
        if which == "bare":
            arguments = [self.broker.service_url("hub-ingest"), self.database.url]
            program = "bare_loop.py"
        else:
            chosen = IngestSettings(
                database_url=self.database.url,
                broker_url=self.broker.service_url("hub-ingest"),
                client_id=f"hub-{secrets.token_hex(3)}",
                session_expiry_s=0,
                **settings,
            )
            arguments, program = [chosen.model_dump_json()], "whole_ingest.py"
        process = self._python(program, *arguments, progress)
        try:
            while Progress(progress).get() == _NOT_READY:
                time.sleep(0.05)
            time.sleep(0.5)
            yield process.pid
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)

    def run(
        self,
        which: str,
        messages: int,
        *,
        load: dict[str, object] | None = None,
        **settings: object,
    ) -> Result:
        """From the first publish to the last commit."""
        self.boot += 1
        with self.subject(which, **settings) as hub:
            return self.send(hub, messages, **(load or {}))

    def send(self, hub: int, messages: int, **load: object) -> Result:
        """Send through a running subject and wait until it has settled all."""
        progress = Progress(self._progress())
        chosen = Load(
            **{
                "host": "127.0.0.1",
                "port": self.broker.hub_port,
                "user": "bench",
                "password": self.broker.service_url("bench").split(":")[2].partition("@")[0],
                "nodes": self.nodes,
                "messages": messages,
                "boot": self.boot,
                "progress": self._progress(),
                **load,
            }
        )
        before, begun, started = self._spent(hub), progress.get(), time.monotonic()
        generator = self._python("load.py", msgspec.json.encode(chosen).decode())
        expected = begun + messages + chosen.wrong
        own = 0.0
        while progress.get() < expected:
            own = _cpu(generator.pid) or own
            if time.monotonic() - started > 60 + messages / 500:
                raise TimeoutError(f"{progress.get()} of {expected}")
            if generator.poll():
                raise RuntimeError("the generator failed")
            time.sleep(0.01)
        seconds = time.monotonic() - started - _STARTING_S
        generator.wait(30)
        after = self._spent(hub)
        spent = Cost(*(b - a for a, b in zip(before, after, strict=True)), own)
        return Result(messages=messages, seconds=seconds, cost=spent, rss_mb=_rss(hub))

    def _progress(self) -> str:
        return str(self.home / "progress")

    def _spent(self, hub: int) -> tuple[float, float, float]:
        return _cpu(hub), _tree(self.database.pid or 0), _cpu(self.broker.pid or 0)

    def _python(self, program: str, *arguments: str) -> "subprocess.Popen[bytes]":
        # Its input ends with this process, however that ends: load.end_with_parent.
        command = [sys.executable, str(_HERE / program), *arguments]
        return subprocess.Popen(command, stdin=subprocess.PIPE)


# What a Python takes until it sends its first message; of both subjects alike.
_STARTING_S = 0.0
_NOT_READY = 2**64 - 1


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICK


def _tree(pid: int) -> float:
    """A server and its children, with those that are gone."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    children = path.read_text().split() if path.exists() else []
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    gone = (int(fields[13]) + int(fields[14])) / _TICK
    return _cpu(pid) + gone + sum(_cpu(int(child)) for child in children)


def _rss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


@contextlib.contextmanager
def rig(home: Path) -> Iterator[Rig]:
    """Started, and stopped at the end."""
    made = Rig(home)
    made.database.start()
    made.broker.start()
    try:
        yield made
    finally:
        made.broker.stop()
        made.database.stop()
