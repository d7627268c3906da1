"""The one file of this room that knows its MQTT library: publish, and know that it was taken.

paho-mqtt rather than aiomqtt: the broker's answer to each publish is looked at here. A publish
that the broker's ACL denies is answered like any other, only with a reason code, and must not
count as sent.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from msgspec import Struct
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from runtime.settings import Broker

_KEEP_ALIVE_S: Final = 30
# 0x10: taken, but nobody has subscribed. Retained messages are kept all the same.
_NO_SUBSCRIBERS: Final = 0x10
_REFUSED: Final = 0x80


class LinkDownError(ConnectionError):
    """The broker is not there, or went away."""


class DeniedError(Exception):
    """The broker answered a publish with a refusal; the reason code is in the message."""


class Message(Struct, frozen=True, kw_only=True):
    """One message for a device. `expires_in_s`: the broker drops it after that, None: never."""

    topic: str
    payload: bytes
    expires_in_s: int | None = None
    retain: bool = False
    answer_to: str | None = None
    answers_id: str | None = None


class Link:
    """An open connection to the broker. Everything here runs on the event loop."""

    def __init__(self, client: Any, *, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect

    async def publish(self, message: Message) -> bool:
        """Publish with QoS 1 and wait for the broker; False when no device listens.

        Raises LinkDownError, also when the broker does not answer in time, and DeniedError.
        """
        if self.closed.done():
            raise LinkDownError("the broker has gone")
        info = self._client.publish(
            message.topic, message.payload, 1, message.retain, _properties(message)
        )
        if info.rc != paho.MQTT_ERR_SUCCESS:
            raise LinkDownError(str(info.rc))
        # No answer can have come in between: answers arrive through this same event loop.
        taken = self._waiting[info.mid] = self._loop.create_future()
        try:
            async with asyncio.timeout(self._timeout_s):
                code: int = await taken
        except TimeoutError:
            raise LinkDownError("the broker does not answer") from None
        finally:
            self._waiting.pop(info.mid, None)
        if code >= _REFUSED:
            raise DeniedError(f"reason code 0x{code:02x}")
        return code != _NO_SUBSCRIBERS

    async def connected(self) -> None:
        """Wait for the broker to accept the connection. Raises LinkDownError."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._connected
        except TimeoutError:
            raise LinkDownError("the broker does not accept the connection") from None

    # The callbacks run on paho's thread and only pass on.

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        self._loop.call_soon_threadsafe(self._accepted, code)

    def _on_publish(self, _client: Any, _data: Any, mid: int, code: Any, _more: Any) -> None:
        self._loop.call_soon_threadsafe(self._taken, mid, int(code.value))

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        self._loop.call_soon_threadsafe(self._gone, str(code))

    def _accepted(self, code: Any) -> None:
        if self._connected.done():
            return
        if code.is_failure:
            self._connected.set_exception(LinkDownError(str(code)))
        else:
            self._connected.set_result(None)

    def _taken(self, mid: int, code: int) -> None:
        waiting = self._waiting.pop(mid, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(code)

    def _gone(self, reason: str) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        if not self._connected.done():
            self._connected.set_exception(LinkDownError(reason))
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(LinkDownError(reason))


@asynccontextmanager
async def connect(broker: Broker, *, client_id: str, timeout_s: float) -> AsyncIterator[Link]:
    """A connection for the time of the block; no session: the database is the memory.

    Raises LinkDownError when the broker is not there or does not let us in.
    """
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=paho.MQTTv5,
        reconnect_on_failure=False,
    )
    client.username_pw_set(broker.user, broker.password)
    if broker.tls:
        client.tls_set()
    link = Link(client, timeout_s=timeout_s)
    try:
        await asyncio.to_thread(
            client.connect, broker.host, broker.port, _KEEP_ALIVE_S, clean_start=True
        )
    except OSError as error:
        raise LinkDownError(str(error)) from error
    client.loop_start()
    try:
        await link.connected()
        yield link
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)


def _properties(message: Message) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's own
    if message.expires_in_s is not None:
        properties.MessageExpiryInterval = message.expires_in_s
    if message.answer_to is not None:
        properties.ResponseTopic = message.answer_to
    if message.answers_id is not None:
        properties.CorrelationData = message.answers_id.encode()
    return properties
