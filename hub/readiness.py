"""Is the hub up for its devices and its people? Asked from outside, as they would."""

import asyncio
import json
import ssl

import aiomqtt

from contract.topics import HUB_STATUS
from runtime.settings import Broker


async def http_answers(host: str, port: int, timeout_s: float) -> bool:
    """Wait until somebody accepts connections there; False: not in time."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                if await _accepts(host, port):
                    return True
                await asyncio.sleep(0.1)
    except TimeoutError:
        return False


async def ingest_ready(broker: Broker, since_ms: int, timeout_s: float) -> bool:
    """Wait until `hub/status` says ready, said since then; False: not in time."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                if await _hears_ready(broker, since_ms):
                    return True
                await asyncio.sleep(0.2)
    except TimeoutError:
        return False


async def _accepts(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


async def _hears_ready(broker: Broker, since_ms: int) -> bool:
    """Listen until it is said; False when the broker goes away."""
    try:
        async with aiomqtt.Client(
            broker.host,
            broker.port,
            username=broker.user,
            password=broker.password,
            tls_context=ssl.create_default_context() if broker.tls else None,
        ) as client:
            await client.subscribe(HUB_STATUS, qos=1)
            async for message in client.messages:
                if _says_ready(message.payload, since_ms):
                    return True
    except aiomqtt.MqttError:
        return False
    return False


def _says_ready(payload: object, since_ms: int) -> bool:
    """A retained `ready` of an earlier life of the hub does not count."""
    if not isinstance(payload, bytes | bytearray):
        return False
    try:
        said = json.loads(payload)
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("s") == "ready" and said.get("t", 0) >= since_ms
