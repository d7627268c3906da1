"""One MQTT 5 session of the hub, over the sans-I/O codec `mqtt5`; no other file here knows it.

A message is acknowledged (PUBACK) only when `settle` says so, in the order of arrival. Receive
Maximum is the back-pressure: the broker holds back what the hub has no room for. The session
outlives its connections; what was not settled comes again, and an acknowledgement that belongs
to an earlier connection is not sent on a later one.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from random import random
from typing import Any, Final

import mqtt5
import structlog
from mqtt5 import ConnAckReasonCode, DisconnectReasonCode, QoS
from msgspec import Struct

from ingest import mqtt_packets
from ingest.mqtt_connection import Connection, SessionLostError
from ingest.mqtt_frame import FrameError
from ingest.mqtt_outbox import Outbox, Outgoing
from runtime.backoff import full_jitter
from runtime.clock import Clock
from runtime.settings import Broker

_LOG = structlog.get_logger()
_OUTBOX: Final = 10_000
_REFUSED: Final = 0x80
_IN_HAND_BYTES: Final = 32 * 1024 * 1024
_STABLE_S: Final = 30.0


class SessionOptions(Struct, frozen=True, kw_only=True):
    """How a session connects. The will is published by the broker when the hub is gone for
    `will_delay_s`; the farewell by ourselves when we leave on purpose."""

    broker: Broker
    client_id: str
    filters: tuple[str, ...]
    receive_maximum: int
    keep_alive_s: int
    session_expiry_s: int
    max_packet: int
    connect_timeout_s: float
    backoff_base_s: float
    backoff_cap_s: float
    will: Outgoing | None = None
    will_delay_s: int = 10


class Arrival:
    """One message as it came. `live` is False for what the broker had kept (retained)."""

    __slots__ = ("live", "packet_id", "payload", "received_at", "settled", "topic")

    def __init__(
        self,
        topic: str,
        payload: bytes,
        received_at: datetime,
        *,
        live: bool = True,
        packet_id: int | None = None,
    ) -> None:
        self.topic = topic
        self.payload = payload
        self.received_at = received_at
        self.live = live
        self.packet_id = packet_id
        self.settled = False


class Session:
    """A session that comes back by itself until it is cancelled.

    `on_message` gets every message; each must be given to `settle` sooner or later. `on_ready`
    runs after each successful (re)connection, when publishing is possible. `on_answer` hears the
    topic and the reason code of every publish at QoS 1. It connects only while `after` is set (a
    session that must not be first), and waits for `may_connect`, which is told whether somebody
    else has taken the session over.
    """

    def __init__(
        self,
        options: SessionOptions,
        *,
        clock: Clock,
        on_message: Callable[[Arrival], None],
        on_ready: Callable[[], None] = lambda: None,
        on_answer: Callable[[str, int], None] = lambda _topic, _code: None,
        after: asyncio.Event | None = None,
        may_connect: Callable[[bool], Awaitable[None]] | None = None,
        rand: Callable[[], float] = random,
    ) -> None:
        self._options = options
        self._clock = clock
        self._on_message = on_message
        self._on_ready = on_ready
        self._on_answer = on_answer
        self._after = after
        self._may_connect = may_connect
        self._rand = rand
        self._connection: Connection[mqtt5.Packet] | None = None
        self._handshake: asyncio.Queue[mqtt5.Packet] = asyncio.Queue()
        self._outbox = Outbox(_OUTBOX)
        self._window = 0
        self._heard_at = 0.0
        self._now = clock.now()
        self._in_hand = 0
        self._in_hand_bytes = 0
        self._unacknowledged: deque[Arrival] = deque()  # of this connection
        self._farewell: Outgoing | None = None
        self._told = False
        self.ready = asyncio.Event()
        self.arrived = 0
        # How often the broker had forgotten the session, with what it kept for the hub.
        self.forgotten = 0

    @property
    def in_hand(self) -> int:
        """Messages handed out and not settled."""
        return self._in_hand

    @property
    def full(self) -> bool:
        """Whether the broker holds messages back because so many are in hand."""
        return self._in_hand >= self._options.receive_maximum

    @property
    def oldest(self) -> datetime | None:
        """When the oldest message came that is not acknowledged; None: there is none."""
        return self._unacknowledged[0].received_at if self._unacknowledged else None

    @property
    def lost_outgoing(self) -> int:
        """QoS 1 messages that were dropped because too many waited."""
        return self._outbox.lost

    # --- in ---------------------------------------------------------------------------------

    def settle(self, arrivals: Iterable[Arrival]) -> None:
        """These are stored or durably refused: acknowledge them, each on its own connection."""
        number = size = 0
        for arrival in arrivals:
            arrival.settled = True
            number += 1
            size += len(arrival.payload)
        self._in_hand -= number
        self._in_hand_bytes -= size
        connection = self._connection
        if connection is None:
            return
        pending = self._unacknowledged
        packet_ids = []
        while pending and pending[0].settled:
            packet_id = pending.popleft().packet_id
            if packet_id is not None:
                packet_ids.append(packet_id)
        if packet_ids:
            connection.write(mqtt_packets.acknowledgements(packet_ids))
        if connection.paused and not self._full:
            connection.pause(False)

    @property
    def _full(self) -> bool:
        """Receive Maximum does not bound QoS 0, Mosquitto 2.0 goes beyond it after the first
        acknowledgement, and it counts no bytes: then the network has to wait."""
        return self._in_hand > self._options.receive_maximum or self._in_hand_bytes > _IN_HAND_BYTES

    def _arrived(self, packet: mqtt5.PublishPacket) -> None:
        connection = self._connection
        if packet.qos == QoS.EXACTLY_ONCE:
            raise SessionLostError("the broker sent QoS 2 although at most 1 was subscribed")
        if connection is None:
            return
        if connection.heard_at != self._heard_at:  # many come at once
            self._heard_at, self._now = connection.heard_at, self._clock.now()
        arrival = Arrival(
            packet.topic,
            packet.payload,
            self._now,
            live=not packet.retain,
            packet_id=packet.packet_id,
        )
        if packet.qos == QoS.AT_LEAST_ONCE:
            self._unacknowledged.append(arrival)
        self._in_hand += 1
        self.arrived += 1
        self._in_hand_bytes += len(arrival.payload)
        if self._full and self.ready.is_set():
            connection.pause(True)
        self._on_message(arrival)

    # --- out --------------------------------------------------------------------------------

    def publish(self, message: Outgoing) -> None:
        """Publish at QoS 1: kept until the broker has taken it, also across connections."""
        self._outbox.put(message)
        self._send_waiting()

    def publish_once(self, topic: str, payload: bytes, *, expiry_s: int | None = None) -> bool:
        """Publish at QoS 0; False when it could not be sent and nothing was kept."""
        connection = self._connection
        if connection is None or not self.ready.is_set() or connection.congested:
            return False
        packet = mqtt5.PublishPacket(topic, payload, message_expiry_interval=expiry_s)
        return connection.write(packet.write())

    def leave_with(self, farewell: Outgoing | None) -> None:
        """What to publish when the session is ended on purpose; None: the will stands."""
        self._farewell = farewell

    def _send_waiting(self) -> None:
        connection = self._connection
        if connection is not None and self.ready.is_set() and not connection.congested:
            for packet_id, message in self._outbox.take(self._window):
                connection.write(mqtt_packets.publish(packet_id, message, duplicate=False))

    def cut(self, reason: str) -> None:
        """Drop the connection, and come back with a new one."""
        if self._connection is not None:
            self._connection.fail(SessionLostError(reason))

    # --- connections --------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, stay connected, come back with full jitter; until cancelled."""
        attempt, taken_over = 0, False
        while True:
            if self._after is not None:
                await self._after.wait()
            if self._may_connect is not None:
                await self._may_connect(taken_over)
            started = asyncio.get_running_loop().time()
            try:
                await self._connect_and_stay()
            except (SessionLostError, FrameError, OSError, TimeoutError) as error:
                lived = asyncio.get_running_loop().time() - started
                attempt = 0 if lived > _STABLE_S else attempt + 1
                self._tell_once(error)
                taken_over = getattr(error, "slow", False)
                await asyncio.sleep(self._pause(attempt, slow=taken_over))

    def _tell_once(self, error: Exception) -> None:
        """The first failure after being up is news, the further ones are not."""
        if not self._told:
            name = self._options.client_id
            _LOG.warning("mqtt_down", client=name, error=str(error) or type(error).__name__)
        self._told = True

    def _pause(self, attempt: int, *, slow: bool) -> float:
        if slow:
            return self._options.backoff_cap_s * (1.0 + self._rand())
        return full_jitter(
            attempt,
            base=self._options.backoff_base_s,
            cap=self._options.backoff_cap_s,
            rand=self._rand,
        )

    async def _connect_and_stay(self) -> None:
        options, broker = self._options, self._options.broker
        connection: Connection[mqtt5.Packet] | None = None
        self._handshake = asyncio.Queue()
        self._unacknowledged = deque()
        try:
            async with asyncio.timeout(options.connect_timeout_s):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self._received, mqtt_packets.decode, options.max_packet),
                    broker.host,
                    broker.port,
                    ssl=ssl.create_default_context() if broker.tls else None,
                )
                self._connection = connection
                keep_alive_s = await self._shake_hands(connection)
            self._begin(connection)
            await self._stay(connection, keep_alive_s)
        except asyncio.CancelledError:
            if connection is not None:
                farewell = self._farewell if self.ready.is_set() else None
                will = options.will is not None
                connection.write(mqtt_packets.goodbye(farewell, will=will))
                await connection.close()
            raise
        finally:
            self.ready.clear()
            self._connection = None
            if connection is not None:
                connection.fail(SessionLostError("done with it"))
                connection.lost.exception()  # taken note of, whether or not anybody waited

    async def _shake_hands(self, connection: Connection[mqtt5.Packet]) -> float:
        """CONNECT and SUBSCRIBE; returns the keep-alive in seconds."""
        connection.write(mqtt_packets.connect(self._options))
        answer = await self._next(connection)
        if not isinstance(answer, mqtt5.ConnAckPacket):
            raise SessionLostError("the broker did not answer CONNECT")
        if answer.reason_code != ConnAckReasonCode.SUCCESS:
            raise SessionLostError(f"refused: {answer.reason_code.name}")
        self._window = answer.receive_max
        connection.write(mqtt_packets.subscribe(self._options.filters))
        granted = await self._next(connection)
        if not isinstance(granted, mqtt5.SubAckPacket):
            raise SessionLostError("the broker did not answer SUBSCRIBE")
        if any(code.value >= _REFUSED for code in granted.reason_codes):
            raise SessionLostError(f"subscription refused: {granted.reason_codes}")
        self._told = False
        self.forgotten += not answer.session_present
        _LOG.info("mqtt_up", client=self._options.client_id, session_present=answer.session_present)
        return float(answer.server_keep_alive or self._options.keep_alive_s)

    async def _next(self, connection: Connection[mqtt5.Packet]) -> mqtt5.Packet:
        waiting = asyncio.ensure_future(self._handshake.get())
        try:
            either: set[asyncio.Future[Any]] = {waiting, connection.lost}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
            connection.lost.result()
            raise SessionLostError("connection lost")
        finally:
            waiting.cancel()

    def _begin(self, connection: Connection[mqtt5.Packet]) -> None:
        self.ready.set()
        for packet_id, message in self._outbox.again():
            connection.write(mqtt_packets.publish(packet_id, message, duplicate=True))
        self._on_ready()
        self._send_waiting()

    async def _stay(self, connection: Connection[mqtt5.Packet], keep_alive_s: float) -> None:
        """Ping, and notice a peer that answers nothing; ends with the connection."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.wait({connection.lost}, timeout=keep_alive_s / 3)
            if connection.lost.done():
                connection.lost.result()
            silent_s = loop.time() - connection.heard_at
            if silent_s > keep_alive_s and not connection.paused:
                raise SessionLostError(f"the broker said nothing for {silent_s:.0f} s")
            connection.write(mqtt5.PingReqPacket().write())
            self._send_waiting()

    def _received(self, packet: mqtt5.Packet) -> None:
        match packet:
            case mqtt5.PublishPacket():
                self._arrived(packet)
            case mqtt5.PubAckPacket():
                self._answered(packet)
            case mqtt5.DisconnectPacket():
                taken_over = packet.reason_code == DisconnectReasonCode.SESSION_TAKEN_OVER
                raise SessionLostError(f"told to go: {packet.reason_code.name}", slow=taken_over)
            case mqtt5.ConnAckPacket() | mqtt5.SubAckPacket():
                self._handshake.put_nowait(packet)

    def _answered(self, packet: mqtt5.PubAckPacket) -> None:
        message = self._outbox.acknowledged(packet.packet_id)
        if packet.reason_code.value >= _REFUSED:
            _LOG.warning("mqtt_publish_refused", reason=packet.reason_code.name)
        if message is not None:
            self._on_answer(message.topic, packet.reason_code.value)
        self._send_waiting()
