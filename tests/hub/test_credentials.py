"""The broker lets in whom the database knows, within seconds, through outages of both."""

import asyncio
import os
import signal
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiomqtt
import psycopg
import pytest

from hub.credentials import Credentials, wait_applied
from runtime import mqtt_probe
from runtime.clock import SystemClock
from runtime.mosquitto_password import hash_password
from runtime.running import wait_until
from store import credential
from tests.fixtures.promised import promised

REFUSED = 5
NODE, SECRET = "gw00000001", "0123456789abcdef0123456789abcdef"


@asynccontextmanager
async def followed(broker, database_url):
    follow = asyncio.create_task(Credentials(broker.server, SystemClock()).follow(database_url))
    try:
        yield
    finally:
        follow.cancel()


async def add_node(conn, node=NODE, secret=SECRET):
    await conn.execute("INSERT INTO area (level, name) VALUES ('county', 'x')")
    await conn.execute(
        "INSERT INTO node (id, area_id) SELECT %s, max(id) FROM area ON CONFLICT DO NOTHING",
        (node,),
    )
    now = datetime.now(UTC)
    await credential.set_password(conn, node_id=node, password_hash=hash_password(secret), now=now)


def code(broker, node=NODE, secret=SECRET):
    return mqtt_probe.connect_code(broker.host, broker.port, node, secret)


async def test_an_added_node_gets_in_within_three_seconds(conn, database_url, broker):
    """From the commit to the broker's yes, and `wait_applied` returns when it is true."""
    async with followed(broker, database_url):
        await add_node(conn)
        began = time.monotonic()
        assert await wait_applied(conn, promised(3.0))
        assert code(broker) == mqtt_probe.ACCEPTED
        assert time.monotonic() - began < promised(3.0)


async def test_a_revoked_node_is_cut_off_and_stays_out(conn, database_url, broker):
    """Its live session ends within 3 s and it gets no new one; the hub's own users stay."""
    async with followed(broker, database_url):
        await add_node(conn)
        assert await wait_applied(conn, 3.0)
        async with aiomqtt.Client(
            broker.host, broker.port, username=NODE, password=SECRET, identifier=NODE
        ) as client:
            await credential.revoke(conn, node_id=NODE, now=datetime.now(UTC))
            with pytest.raises(aiomqtt.MqttError):
                await asyncio.wait_for(anext(aiter(client.messages)), 4.0)
        assert code(broker) == REFUSED
        secret = broker.url("hub-ingest").split("@")[0].rpartition(":")[2]
        hub = mqtt_probe.connect_code(broker.host, broker.hub_port, "hub-ingest", secret)
        assert hub == mqtt_probe.ACCEPTED


async def test_a_changed_password_replaces_the_old_one(conn, database_url, broker):
    """After a rotation only the new password works."""
    async with followed(broker, database_url):
        await add_node(conn)
        await add_node(conn, secret="another")
        assert await wait_applied(conn, 4.0)
        assert (code(broker), code(broker, secret="another")) == (REFUSED, mqtt_probe.ACCEPTED)


async def test_what_was_added_while_the_broker_was_away_is_taken_over(conn, database_url, broker):
    """`applied` waits for the broker: it never claims what the broker has not taken over."""
    broker.stop()
    async with followed(broker, database_url):
        await add_node(conn)
        assert not await wait_applied(conn, 0.5)
        broker.start()
        assert await wait_applied(conn, 9.0)
        assert code(broker) == mqtt_probe.ACCEPTED


async def test_nobody_follows_then_nothing_is_claimed(conn):
    """Without a hub `wait_applied` says no after its time."""
    await add_node(conn)
    assert not await wait_applied(conn, 0.2)


@pytest.mark.loop
def test_under_up_a_node_gets_in_also_after_the_database_died(shared_hub):
    """The whole hub: PostgreSQL is killed, comes back, and a node added then is let in."""
    hub = shared_hub
    old = hub.pid("postgres")
    os.kill(old, signal.SIGKILL)
    assert wait_until(lambda: hub.pid("postgres") not in (0, old), 24.0)

    async def add():
        url = hub.addresses()["database_url"]
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
            await add_node(conn)
            assert await wait_applied(conn, 6.0)

    asyncio.run(add())
    port = hub.addresses()["mqtt_port"]
    assert mqtt_probe.connect_code("127.0.0.1", port, NODE, SECRET) == mqtt_probe.ACCEPTED
