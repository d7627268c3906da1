"""One connection to the broker, from CONNECT to its end. The only file that knows paho-mqtt.

paho does the protocol; the event loop watches its socket, so there is no second thread and no
lock. paho does not reconnect by itself: each connection is a new client, so nothing half-sent of
an earlier one is sent behind our back. What comes in is acknowledged after it was acted upon.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final

import paho.mqtt.client as mqtt
import structlog
from msgspec import Struct
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

_LOG = structlog.get_logger()
MQTT_5: Final = 5
NO_SUBSCRIBERS: Final = 0x10
SESSION_TAKEN_OVER: Final = 0x8E
# CONNACK codes of 3.1.1 and reason codes of 5 that say: these credentials do not work.
WRONG_CREDENTIALS: Final = frozenset({4, 5, 0x85, 0x86, 0x87, 0x8C})
_RECEIVE_MAXIMUM: Final = 100
_HUNG_UP: Final = 0x80  # what paho says when the socket closes

OnMessage = Callable[[str, bytes], None]


class ConnectionEndedError(Exception):
    """It could not be made, or it is over; `code` is the broker's reason, if it gave one.

    `refused`: nobody is let in with these credentials.
    """

    def __init__(self, reason: str, code: int | None = None, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.code = code
        self.refused = refused or code in WRONG_CREDENTIALS


class Will(Struct, frozen=True, kw_only=True):
    """What the broker says, retained, `delay` seconds after we are gone without a goodbye."""

    topic: str
    payload: bytes
    delay: int


class Outline(Struct, frozen=True, kw_only=True):
    """How to connect. Times are in seconds; `mqtt_version` is 5, or 4 for MQTT 3.1.1.

    `user` is the client id as well. Without `tls` everything is plain text; with `certified` the
    certificate in it says who we are. Without `session_expiry` nothing is kept between two
    connections.
    """

    host: str
    port: int
    user: str
    password: str | None = None
    tls: ssl.SSLContext | None = None
    certified: bool = False
    mqtt_version: int = MQTT_5
    keep_alive: int = 60
    session_expiry: int = 0
    will: Will | None = None
    in_flight: int = 10
    patience: float = 10.0


class Connection:
    """A connection; create it in the event loop, `await open(...)`, then watch `ended`."""

    def __init__(self, outline: Outline, on_message: OnMessage) -> None:
        self._outline = outline
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self._answers: dict[int, asyncio.Future[int]] = {}
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._subscribed: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[ConnectionEndedError] = self._loop.create_future()
        self._client = self._make_client()

    def _make_client(self) -> Any:
        outline = self._outline
        make: Any = mqtt.Client
        client = make(
            CallbackAPIVersion.VERSION2,
            client_id=outline.user,
            protocol=outline.mqtt_version,
            clean_session=None if outline.mqtt_version == MQTT_5 else not outline.session_expiry,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.username_pw_set(outline.user, outline.password)
        if outline.tls is not None:
            client.tls_set_context(outline.tls)
        if outline.will is not None:
            will = outline.will
            delay = self._properties(PacketTypes.WILLMESSAGE, WillDelayInterval=will.delay)
            client.will_set(will.topic, will.payload, 1, True, delay)
        client.max_inflight_messages_set(outline.in_flight)
        client.on_connect = self._connected
        client.on_subscribe = self._was_subscribed
        client.on_publish = self._was_answered
        client.on_message = self._received
        client.on_disconnect = self._disconnected
        return client

    def _properties(self, packet: int, **values: int) -> Properties | None:
        if self._outline.mqtt_version != MQTT_5:
            return None
        properties = Properties(packet)  # type: ignore[no-untyped-call]  # paho's own
        for name, value in values.items():
            setattr(properties, name, value)
        return properties

    async def open(self, filters: list[str]) -> None:
        """Connect and subscribe with QoS 1; raises ConnectionEndedError."""
        try:
            await asyncio.to_thread(self._connect)
        except OSError as error:
            # TLS 1.2 says in the handshake that our certificate is not taken.
            alert = isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")
            refused = alert and self._outline.certified
            raise ConnectionEndedError(
                f"{type(error).__name__}: {error}", refused=refused
            ) from error
        self._watch_socket()
        await self._answered_or_refused()
        self._client.subscribe([(name, 1) for name in filters])
        await self._within(self._subscribed)

    def _connect(self) -> None:
        """Blocking: name resolution, TCP, TLS, and the CONNECT packet."""
        outline, options = self._outline, dict[str, Any]()
        if outline.mqtt_version == MQTT_5:
            options["clean_start"] = not outline.session_expiry
            options["properties"] = self._properties(
                PacketTypes.CONNECT,
                SessionExpiryInterval=outline.session_expiry,
                ReceiveMaximum=_RECEIVE_MAXIMUM,
            )
        self._client.connect(outline.host, outline.port, outline.keep_alive, **options)

    async def _answered_or_refused(self) -> None:
        try:
            await self._within(self._opened)
        except ConnectionEndedError as error:
            # TLS 1.3 says it after the handshake, by hanging up where the answer would come.
            if self._outline.certified and self.ended.done() and error.code in {None, _HUNG_UP}:
                error.refused = True
            raise

    async def _within(self, step: asyncio.Future[None]) -> None:
        either: set[asyncio.Future[Any]] = {step, self.ended}
        await asyncio.wait(
            either,
            timeout=self._outline.patience,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if self.ended.done():
            raise self.ended.result()
        if not step.done():
            raise ConnectionEndedError("the broker does not answer")

    # --- the socket ---------------------------------------------------------------------------

    def _watch_socket(self) -> None:
        client, loop = self._client, self._loop
        client.on_socket_close = lambda _c, _u, sock: loop.remove_reader(sock)
        client.on_socket_register_write = lambda _c, _u, sock: loop.add_writer(
            sock, self._guarded, client.loop_write
        )
        client.on_socket_unregister_write = lambda _c, _u, sock: loop.remove_writer(sock)
        sock = client.socket()
        if sock is None:
            self._finish("the connection ended at once")
            return
        loop.add_reader(sock, self._guarded, self._read)
        self._every_second()

    def _read(self) -> None:
        self._client.loop_read()
        # TLS may hold decrypted bytes that the selector cannot see.
        while isinstance(sock := self._client.socket(), ssl.SSLSocket) and sock.pending():
            self._client.loop_read()

    def _every_second(self) -> None:
        self._guarded(self._client.loop_misc)
        if not self.ended.done():
            self._loop.call_later(1.0, self._every_second)

    def _guarded(self, step: Callable[[], object]) -> None:
        """paho raises on some packets that no broker should send; that ends the connection."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - see above; the reason is kept
            self._finish(f"{type(error).__name__}: {error}")
            self.drop()

    # --- what paho says -----------------------------------------------------------------------

    def _connected(self, _c: Any, _u: Any, _flags: Any, reason: Any, _p: Any) -> None:
        if reason.is_failure:
            self._finish(f"refused: {reason}", reason.value)
        elif not self._opened.done():
            self._opened.set_result(None)

    def _was_subscribed(self, _c: Any, _u: Any, _mid: int, _reasons: Any, _p: Any) -> None:
        if not self._subscribed.done():
            self._subscribed.set_result(None)

    def _was_answered(self, _c: Any, _u: Any, mid: int, reason: Any, _p: Any) -> None:
        answer = self._answers.pop(mid, None)
        if answer is not None and not answer.done():
            answer.set_result(reason.value)

    def _received(self, _c: Any, _u: Any, message: Any) -> None:
        # Outside paho's callback, so that whoever acts on it may publish.
        self._loop.call_soon(self._act, message)

    def _act(self, message: Any) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        try:
            self._on_message(topic, message.payload)
        except Exception:  # noqa: BLE001 - one bad message may not end the others
            # Not acknowledged: the broker brings it again with the next connection.
            _LOG.exception("message_failed", topic=topic)
            return
        self._client.ack(message.mid, message.qos)

    def _disconnected(self, _c: Any, _u: Any, _flags: Any, reason: Any, _p: Any) -> None:
        self._finish(f"ended: {reason}", reason.value)

    def _finish(self, reason: str, code: int | None = None) -> None:
        if not self.ended.done():
            self.ended.set_result(ConnectionEndedError(reason, code))
        for answer in self._answers.values():
            answer.cancel()
        self._answers.clear()

    # --- what we say --------------------------------------------------------------------------

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> asyncio.Future[int]:
        """Publish with QoS 1; the future gives the broker's reason code (0: taken).

        It is cancelled when the connection ends first.
        """
        answer: asyncio.Future[int] = self._loop.create_future()
        if self.ended.done():
            answer.cancel()
            return answer
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        if not answer.done():
            self._answers[info.mid] = answer
        return answer

    def tell(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 0."""
        if not self.ended.done():
            self._client.publish(topic, payload, qos=0)

    def close(self) -> None:
        """Say goodbye: DISCONNECT, so that the broker does not publish the will."""
        if not self.ended.done():
            self._client.disconnect()
            self._client.loop_write()
        self.drop()

    def drop(self) -> None:
        """Close the socket without a word, so that the broker publishes the will; a second time
        does nothing."""
        self._finish("dropped")
        sock = self._client.socket()
        if sock is not None and sock.fileno() >= 0:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)
            sock.close()
