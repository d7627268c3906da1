"""A running ingest on a real broker and a real database, and devices that talk to it."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from psycopg import AsyncConnection

from ingest.service import serve
from ingest.settings import IngestSettings
from runtime.clock import Clock, SystemClock
from runtime.postgres_server import PostgresServer
from store.migrate import migrate
from store.pool import Connection
from tests.fixtures.fix_broker import LiveBroker
from tests.fixtures.fix_place import short_lived_directory

NODE = "testnode1"
OTHER = "testnode2"


def now_ms() -> int:
    """The present, as a device says it."""
    return time.time_ns() // 1_000_000


class Device:
    """A node as a maker would write it: paho, MQTT 5, and a memory of what the hub said."""

    def __init__(self, broker: LiveBroker, node: str) -> None:
        self.node = node
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.expiries: dict[str, int | None] = {}  # the last one of each kind, in seconds
        self._client = paho.Client(CallbackAPIVersion.VERSION2, node, protocol=paho.MQTTv5)
        self._client.username_pw_set(node, node)
        self._client.on_message = self._on_message
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = 600
        self._client.connect(broker.host, broker.port, clean_start=False, properties=session)
        self._client.reconnect_delay_set(0.1, 0.1)  # type: ignore[arg-type]
        self._client.subscribe([(f"hh/1/dn/{node}/+", 1), ("hh/1/hub/status", 1)])
        self._client.loop_start()
        self._seq = 0
        self._t = 0

    def _on_message(self, client: Any, userdata: Any, message: paho.MQTTMessage) -> None:
        kind = message.topic.rpartition("/")[2]
        self.expiries[kind] = getattr(message.properties, "MessageExpiryInterval", None)
        self.heard.append((kind, json.loads(message.payload)))

    def raw(self, kind: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Publish bytes and wait until the broker has them."""
        info = self._client.publish(f"hh/1/up/{self.node}/{kind}", payload, qos, retain)
        info.wait_for_publish(10)

    def send(self, kind: str, body: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Publish a message, its envelope filled in where keys are missing; what was sent."""
        self._t = max(self._t + 1, now_ms())  # never the same instant twice
        message = {"v": 0, "boot": 1, "seq": self._seq, "t": self._t, "clk": "ntp", "rc": 1} | body
        self._seq = message["seq"] + 1
        self.raw(kind, json.dumps(message).encode(), **options)
        return message

    def pressure(self, sys: float, dia: float = 80, **envelope: Any) -> dict[str, Any]:
        """Publish one blood pressure, measured now."""
        series = {"k": "bp", "o": [0], "c": {"sys": [sys], "dia": [dia]}}
        return self.send("obs", {"ser": [series]} | envelope)

    def feedback(self) -> list[dict[str, Any]]:
        """Every `fb` so far."""
        return [body for kind, body in self.heard if kind == "fb"]

    def receipts(self) -> list[dict[str, Any]]:
        """Every receipt so far."""
        return [body["rcpt"] for body in self.feedback() if "rcpt" in body]

    def statuses(self) -> list[str]:
        """What hub/status said, in order."""
        return [body["s"] for kind, body in self.heard if kind == "status"]

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


async def until(condition: Callable[[], Any], within_s: float = 30.0) -> Any:
    """Wait for something to become true, and return it."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.02)
    return found


async def count(conn: Connection, table: str, where: str = "true") -> int:
    """How many rows."""
    row = await (
        await conn.execute(f"SELECT count(*) FROM {table} WHERE {where}".encode())
    ).fetchone()
    assert row is not None
    return int(row[0])


async def until_count(conn: Connection, table: str, wanted: int, within_s: float = 40.0) -> None:
    """Wait until a table has so many rows."""
    deadline = time.monotonic() + within_s
    while (found := await count(conn, table)) != wanted:
        assert time.monotonic() < deadline, f"{found} rows in {table}, expected {wanted}"
        await asyncio.sleep(0.03)


_PEOPLE = """
INSERT INTO area (level, name) VALUES ('village', 'a village');
INSERT INTO patient (name, area_id, pseudonym)
    SELECT 'patient ' || n, 1, 'r:000000000000000' || n FROM generate_series(1, 3) AS n;
INSERT INTO node (id, area_id) VALUES ('testnode1', 1), ('testnode2', 1);
INSERT INTO device (node_id, dev)
    VALUES ('testnode1', ''), ('testnode1', 'cuff1'), ('testnode2', '');
INSERT INTO device_binding (device_id, who, patient_id, during) VALUES
    (1, '', 1, '[2020-01-01,)'), (2, 'A', 2, '[2020-01-01,)'), (2, 'B', 3, '[2020-01-01,)');
"""


async def settle_people(conn: Connection) -> None:
    """Two nodes: the first is patient 1's, its cuff has slots A (patient 2) and B (patient 3)."""
    await conn.execute(_PEOPLE.encode())


@pytest.fixture
async def people(conn: Connection) -> Connection:
    """A connection to a database with nodes and patients."""
    await settle_people(conn)
    return conn


def quick(database_url: str, broker: LiveBroker) -> IngestSettings:
    """Settings with short times, so that a test need not wait."""
    return IngestSettings(
        database_url=database_url,
        broker_url=broker.url("hub-ingest"),
        merge_rejects_s=1.0,
        receipt_every_s=0.2,
        receive_maximum=1000,
        probe_every_s=0.1,
        degraded_after_s=0.5,
        backoff_base_s=0.05,
        backoff_cap_s=0.3,
        keep_alive_s=5,
    )


@pytest.fixture
def settings(database_url: str, broker: LiveBroker) -> IngestSettings:
    """Short times, on this test's database and broker."""
    return quick(database_url, broker)


@contextlib.asynccontextmanager
async def running(settings: IngestSettings, clock: Clock | None = None) -> AsyncIterator[None]:
    """Ingest in this process."""
    task = asyncio.create_task(serve(settings, clock or SystemClock()))
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def device(broker: LiveBroker, people: Connection) -> AsyncIterator[Device]:
    """The first node, connected."""
    broker.add_node(NODE, NODE)
    made = Device(broker, NODE)
    yield made
    made.close()


@pytest.fixture
async def ingest(settings: IngestSettings, device: Device) -> AsyncIterator[None]:
    """A running ingest that says it is ready."""
    async with running(settings):
        await until(lambda: "ready" in device.statuses())
        yield


@pytest.fixture(scope="module")
def mortal() -> Iterator[PostgresServer]:
    """A database server that tests may stop and kill."""
    with short_lived_directory("mortal") as home:
        server = PostgresServer(home)
        server.start()
        try:
            asyncio.run(migrate(server.url))
            yield server
        finally:
            server.stop()


@contextlib.asynccontextmanager
async def connected(server: PostgresServer) -> AsyncIterator[Connection]:
    """A connection for looking; opened again after every stop."""
    async with await AsyncConnection.connect(server.url, autocommit=True) as conn:
        yield conn


@pytest.fixture
async def home(mortal: PostgresServer, broker: LiveBroker) -> AsyncIterator[Device]:
    """A device of a household in an empty database on the mortal server."""
    async with connected(mortal) as conn:
        await conn.execute(
            "TRUNCATE area, reading, event, message, batch, reject RESTART IDENTITY CASCADE"
        )
        await settle_people(conn)
    broker.add_node(NODE, NODE)
    device = Device(broker, NODE)
    yield device
    device.close()
