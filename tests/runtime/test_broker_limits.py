"""Mosquitto's limits as configured: nothing is dropped in silence, nothing survives its size."""

import asyncio

import aiomqtt
import pytest

from contract.acl import INGEST_USER
from runtime.settings import parse_broker_url

NODE = "gw00000001"
TOPIC = f"hh/1/up/{NODE}/obs"
MANY = 3000


def client(broker, user, **more):
    where = parse_broker_url(broker.url(user))
    return aiomqtt.Client(
        where.host,
        where.port,
        username=where.user,
        password=where.password,
        identifier=user,
        max_inflight_messages=500,
        **more,
    )


async def received(subscriber, count):
    messages = aiter(subscriber.messages)
    async with asyncio.timeout(20.0):
        return [int((await anext(messages)).payload) for _ in range(count)]


async def publish_many(broker, first, count):
    async with client(broker, NODE) as node, asyncio.TaskGroup() as group:
        for number in range(first, first + count):
            group.create_task(node.publish(TOPIC, str(number), qos=1, timeout=20.0))


async def test_what_waits_for_the_hub_is_kept_whole(broker):
    """3,000 messages while ingest is away, three times the default limit: all are handed over."""
    broker.add_node(NODE, "secret")
    async with client(broker, INGEST_USER, clean_session=False) as hub:
        await hub.subscribe("hh/1/up/+/+", qos=1)
    await publish_many(broker, 0, MANY)
    async with client(broker, INGEST_USER, clean_session=False) as hub:
        assert sorted(await received(hub, MANY)) == list(range(MANY))


async def test_sessions_survive_a_restart_of_the_broker(broker):
    """What waits is there after a clean stop; after kill -9 so is what was saved before."""
    broker.add_node(NODE, "secret")
    async with client(broker, INGEST_USER, clean_session=False) as hub:
        await hub.subscribe("hh/1/up/+/+", qos=1)
    await publish_many(broker, 0, 10)
    broker.stop()
    broker.start()
    broker.kill()
    broker.start()
    async with client(broker, INGEST_USER, clean_session=False) as hub:
        assert sorted(await received(hub, 10)) == list(range(10))


async def test_a_packet_over_the_limit_is_refused_not_swallowed(broker):
    """The largest payload and 4 KiB are taken; over it the publisher never hears success."""
    broker.add_node(NODE, "secret")
    async with client(broker, NODE) as node:
        await node.publish(TOPIC, b"1" * 135_000, qos=1, timeout=5.0)
        with pytest.raises(aiomqtt.MqttError):
            await node.publish(TOPIC, b"1" * 135_200, qos=1, timeout=1.0)
