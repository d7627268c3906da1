"""The connection on which units ask to become nodes, with a user of its own at the broker.

A claim that gets lost is asked for again by the unit, so nothing here has to survive.
"""

import asyncio

import aiomqtt
import structlog
from psycopg import InterfaceError, OperationalError

from contract.codec import encode
from contract.topics import CLAIM_REQUESTS, claim
from downlink.claims import Claims
from runtime.backoff import full_jitter
from runtime.settings import parse_broker_url

_LOG = structlog.get_logger()
_AT_ONCE = 8
_WAITING = 1000
_LOOK_EVERY_S = 1.0
_RECONNECT_CAP_S = 5.0
_CLIENT_ID = "hub-claims"


async def serve_claims(claims: Claims, broker_url: str) -> None:
    """Answer units until cancelled; survives the loss of the broker."""
    attempt = 0
    while True:
        try:
            await _linked(claims, broker_url)
        except* aiomqtt.MqttError as group:
            _LOG.warning("claims_broker_away", reason=str(group.exceptions[0]))
        await asyncio.sleep(full_jitter(attempt, base=0.1, cap=_RECONNECT_CAP_S))
        attempt = min(attempt + 1, 8)


async def complete_claims(claims: Claims, every_s: float = _LOOK_EVERY_S) -> None:
    """Close claims of nodes that were seen ready, until cancelled."""
    while True:
        await claims.complete()
        await asyncio.sleep(every_s)


async def _linked(claims: Claims, broker_url: str) -> None:
    broker = parse_broker_url(broker_url)
    client = aiomqtt.Client(
        broker.host,
        broker.port,
        username=broker.user,
        password=broker.password,
        identifier=_CLIENT_ID,
        max_queued_incoming_messages=_WAITING,
        protocol=aiomqtt.ProtocolVersion.V5,
    )
    async with client, asyncio.TaskGroup() as group:
        await client.subscribe(CLAIM_REQUESTS, qos=1)
        _LOG.info("claims_linked")
        places = asyncio.Semaphore(_AT_ONCE)
        async for message in client.messages:
            serial = str(message.topic).split("/")[3]
            payload = message.payload if isinstance(message.payload, bytes) else b""
            await places.acquire()
            group.create_task(_answer(client, claims, serial, payload, places))


async def _answer(
    client: aiomqtt.Client, claims: Claims, serial: str, payload: bytes, places: asyncio.Semaphore
) -> None:
    try:
        answer = await claims.answer(serial, payload)
        if answer is not None:
            await client.publish(claim(serial, "res"), encode(answer), qos=1)
    except (aiomqtt.MqttError, OperationalError, InterfaceError):
        raise
    except Exception:  # noqa: BLE001 - one claim that cannot be answered must not hold up others
        _LOG.exception("claim_not_answered", serial=serial)
    finally:
        places.release()
