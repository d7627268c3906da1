"""One connection to the broker, MQTT 5 or 3.1.1, plain or TLS. The only file here that knows paho.

paho works on a thread of its own and only passes on; everything else happens in the event loop.
It does not connect again by itself: every connection is a new one, with its own will.
"""

import asyncio
import contextlib
import socket
import ssl
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from firmware_sim.robot.access import MQTT_5, Access, Habits

_PATIENCE_S: Final = 10.0
_IN_FLIGHT: Final = 10
_RECEIVE_MAXIMUM: Final = 100
TAKEN_OVER: Final = 0x8E
# CONNACK codes of 3.1.1 and reason codes of 5 that say: these credentials do not work.
_WRONG_CREDENTIALS: Final = frozenset({4, 5, 0x85, 0x86, 0x87, 0x8C})

OnMessage = Callable[[str, bytes, bool], None]


class LineEndedError(ConnectionError):
    """It could not be made or is over; `code` is the broker's reason where it gave one."""

    def __init__(self, reason: str, code: int | None = None) -> None:
        super().__init__(reason)
        self.code = code

    @property
    def refused(self) -> bool:
        """The credentials do not work (any more)."""
        return self.code in _WRONG_CREDENTIALS


class Line:
    """Make it in the event loop, `await open(...)`, watch `ended`."""

    def __init__(
        self,
        access: Access,
        habits: Habits,
        on_message: OnMessage,
        *,
        will: tuple[str, bytes] | None = None,
        user: str | None = None,
    ) -> None:
        self._access = access
        self._habits = habits
        self._on_message = on_message
        self._user = user or access.node
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._subscribed: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[LineEndedError] = self._loop.create_future()
        self.granted: list[int] = []
        self._closing = False
        self._client = self._make(will)

    async def open(self, filters: Sequence[str]) -> None:
        """Connect and subscribe, QoS 1; raises LineEndedError."""
        try:
            await asyncio.to_thread(self._connect)
        except OSError as error:
            raise LineEndedError(f"{type(error).__name__}: {error}") from error
        self._client.loop_start()
        await self._within(self._opened)
        self._client.subscribe([(name, 1) for name in filters])
        await self._within(self._subscribed)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> Any:
        """Hand it over; `wait` says when the broker has it."""
        return self._client.publish(topic, payload, qos, retain)

    async def wait(self, handed: Any, timeout_s: float = _PATIENCE_S) -> None:
        """Until the broker has acknowledged what was handed over."""
        await asyncio.to_thread(handed.wait_for_publish, timeout_s)

    async def close(self, *, clean: bool = True) -> None:
        """End it: with DISCONNECT, or as if the plug had been pulled."""
        if self._closing:
            return
        self._closing = True
        if clean:
            self._client.disconnect()
        else:
            sock = self._client.socket()
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        await asyncio.to_thread(self._client.loop_stop)
        self._end("closed", None)

    def _make(self, will: tuple[str, bytes] | None) -> Any:
        habits = self._habits
        five = habits.mqtt == MQTT_5
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._user,
            protocol=paho.MQTTv5 if five else paho.MQTTv311,
            clean_session=None if five else False,
            reconnect_on_failure=False,
        )
        # The broker takes the user name for the client id; with a certificate its CN is both.
        client.username_pw_set(self._user, self._access.password)
        if self._access.tls:
            client.tls_set_context(_tls(self._access))
        if will is not None:
            delay = _properties(five, PacketTypes.WILLMESSAGE, WillDelayInterval=habits.will_delay)
            client.will_set(*will, 1, retain=True, properties=delay)
        client.max_inflight_messages_set(_IN_FLIGHT)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_arrival
        return client

    def _connect(self) -> None:
        more: dict[str, Any] = {}
        if self._habits.mqtt == MQTT_5:
            more["clean_start"] = False
            more["properties"] = _properties(
                True,
                PacketTypes.CONNECT,
                SessionExpiryInterval=self._habits.session_expiry,
                ReceiveMaximum=_RECEIVE_MAXIMUM,
            )
        access = self._access
        self._client.connect(access.host, access.port, self._habits.keep_alive, **more)

    async def _within(self, step: asyncio.Future[None]) -> None:
        either: set[asyncio.Future[Any]] = {step, self.ended}
        first = asyncio.FIRST_COMPLETED
        await asyncio.wait(either, timeout=_PATIENCE_S, return_when=first)
        if not step.done():
            reason = LineEndedError("the broker does not answer")
            raise self.ended.result() if self.ended.done() else reason

    # What paho says, on its thread.

    def _on_connect(self, _c: Any, _u: Any, _flags: Any, reason: Any, _p: Any) -> None:
        if reason.is_failure:
            self._post(self._end, f"refused: {reason}", reason.value)
        else:
            self._post(_settle, self._opened)

    def _on_disconnect(self, _c: Any, _u: Any, _flags: Any, reason: Any, _p: Any) -> None:
        self._post(self._end, str(reason), reason.value)

    def _on_subscribe(self, _c: Any, _u: Any, _mid: int, codes: Any, _p: Any) -> None:
        self.granted = [code.value for code in codes]
        self._post(_settle, self._subscribed)

    def _on_arrival(self, _c: Any, _u: Any, message: Any) -> None:
        payload, retained = bytes(message.payload), bool(message.retain)
        self._post(self._on_message, message.topic, payload, retained)

    def _post(self, what: Callable[..., object], *about: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens
            self._loop.call_soon_threadsafe(what, *about)

    def _end(self, reason: str, code: int | None) -> None:
        if not self.ended.done():
            self.ended.set_result(LineEndedError(reason, code))


def _settle(step: asyncio.Future[None]) -> None:
    if not step.done():
        step.set_result(None)


def _properties(five: bool, packet: int, **values: int) -> Properties | None:
    if not five:
        return None
    properties = Properties(packet)  # type: ignore[no-untyped-call]  # paho's own
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def _tls(access: Access) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if access.ca is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=access.ca)
    if access.certificate is not None and access.key is not None:
        with tempfile.TemporaryDirectory(prefix="robot-") as place:
            chain, key = Path(place, "certificate.pem"), Path(place, "key.pem")
            chain.write_text(access.certificate)
            key.write_text(access.key)
            context.load_cert_chain(chain, key)
    return context
