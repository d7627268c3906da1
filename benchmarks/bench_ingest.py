"""How fast does a backlog become durable? Compare lines of one run only: the machine is shared.

    python benchmarks/bench_ingest.py [messages]

A node publishes a backlog while ingest is away; the broker keeps it. Then ingest starts, and the
time counts from its first row to its last. The first line is the floor: the same rows by a plain
COPY into an empty table.
"""

import asyncio
import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from psycopg import AsyncConnection

from contract.acl import ACL
from ingest.service import serve
from ingest.settings import IngestSettings
from runtime.clock import SystemClock
from runtime.log import configure
from runtime.mosquitto_password import hash_password
from runtime.mosquitto_server import MosquittoServer
from runtime.postgres_server import PostgresServer
from store.migrate import migrate

NODE = "benchnode"
T0 = 1_795_354_700_000
SETUP = """
TRUNCATE area, reading, message, batch, event RESTART IDENTITY CASCADE;
INSERT INTO area (level, name) VALUES ('village', 'v');
INSERT INTO patient (name, area_id, pseudonym) VALUES ('p', 1, 'r:0000000000000001');
INSERT INTO node (id, area_id) VALUES ('benchnode', 1);
INSERT INTO device (node_id, dev) VALUES ('benchnode', '');
INSERT INTO device_binding (device_id, patient_id, during) VALUES (1, 1, '[2020-01-01,)');
"""


def payload(n: int, readings: int) -> bytes:
    """Message number n with so many blood pressures."""
    values = [100 + (n + k) % 90 for k in range(readings)]
    columns = {"sys": values, "dia": [80] * readings}
    series = [{"k": "bp", "o": list(range(readings)), "c": columns, "pos": "sitting"}]
    body = {"v": 0, "boot": 1, "seq": n, "t": T0 + n * 100, "clk": "ntp", "rc": 1, "ser": series}
    return json.dumps(body).encode()


def publish_backlog(broker: MosquittoServer, messages: int, readings: int) -> None:
    """Publish at QoS 1 and wait until the broker has all of it."""
    client = paho.Client(CallbackAPIVersion.VERSION2, NODE, protocol=paho.MQTTv5)
    client.username_pw_set(NODE, NODE)
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    for n in range(messages):
        info = client.publish(f"hh/1/up/{NODE}/obs", payload(n, readings), 1)
        if n % 1000 == 999:
            info.wait_for_publish(60)
    info.wait_for_publish(60)
    client.disconnect()
    client.loop_stop()


@contextlib.asynccontextmanager
async def ingesting(settings: IngestSettings):  # noqa: ANN201 - a context manager of nothing
    """Ingest in this process."""
    task = asyncio.create_task(serve(settings, SystemClock()))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def count(conn: AsyncConnection) -> int:
    """How many readings there are."""
    return (await (await conn.execute("SELECT count(*) FROM reading")).fetchone())[0]


async def reached(conn: AsyncConnection, rows: int, every_s: float) -> int:
    """Wait until there are so many readings; how many there are then."""
    while (found := await count(conn)) < rows:  # noqa: ASYNC110 - asks another process
        await asyncio.sleep(every_s)
    return found


async def plain_copy(conn: AsyncConnection, rows: int) -> float:
    """The floor: rows a second by COPY into a table without an index."""
    await conn.execute("CREATE TABLE floor (LIKE reading INCLUDING DEFAULTS)")
    row = (1, "bp", SystemClock().now(), 0, 1, 148.0, 91.0, None, None, 0, "ntp")
    columns = "device_id, kind, measured_at, ordinal, patient_id, v0, v1, v2, v3, flags, clock"
    rest = ", node_id, boot, seq, received_at, fix"
    started = time.perf_counter()
    async with (
        conn.cursor() as cursor,
        cursor.copy(f"COPY floor ({columns}{rest}) FROM STDIN") as copy,
    ):
        for n in range(rows):
            await copy.write_row((*row, NODE, 1, n, row[2], False))
    rate = rows / (time.perf_counter() - started)
    await conn.execute("DROP TABLE floor")
    return rate


async def backlog(
    settings: IngestSettings,
    broker: MosquittoServer,
    conn: AsyncConnection,
    messages: int,
    per: int,
) -> tuple[float, float]:
    """Messages a second, and seconds of CPU per thousand messages in this process."""
    await conn.execute(SETUP)
    async with ingesting(settings):
        await asyncio.sleep(1.0)  # the session exists now; the broker will keep its messages
    await asyncio.to_thread(publish_backlog, broker, messages, per)
    cpu = time.process_time()
    async with ingesting(settings):
        begun = await reached(conn, 1, 0.005)
        started = time.perf_counter()
        await reached(conn, messages * per, 0.02)
        rate = (messages - begun / per) / (time.perf_counter() - started)
        cpu = time.process_time() - cpu
        await asyncio.sleep(0.3)
    return rate, cpu / messages * 1000


async def main(messages: int) -> None:
    """Measure and print."""
    configure("bench", "ERROR")
    with tempfile.TemporaryDirectory() as home:
        database = PostgresServer(Path(home) / "postgres")
        broker = MosquittoServer(Path(home) / "mosquitto", acl=ACL, services=("hub-ingest",))
        database.start()
        broker.start()
        broker.write_users({NODE: hash_password(NODE)})
        broker.reload()
        try:
            await migrate(database.url)
            async with await AsyncConnection.connect(database.url, autocommit=True) as conn:
                print(
                    f"plain COPY                     {await plain_copy(conn, 50_000):9.0f} rows/s"
                )
                for writers, per in ((1, 1), (2, 1), (4, 1), (2, 3), (2, 20)):
                    settings = IngestSettings(
                        database_url=database.url,
                        broker_url=broker.service_url("hub-ingest"),
                        writers=writers,
                    )
                    rate, cpu = await backlog(settings, broker, conn, messages, per)
                    print(
                        f"{per:2} readings/message, {writers} writers {rate:9.0f} messages/s"
                        f" {rate * per:9.0f} rows/s   {cpu:6.3f} ms CPU/message"
                    )
        finally:
            broker.stop()
            database.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
