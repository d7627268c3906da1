"""The MQTT session of one node: it connects, stays, notices silence, and comes back with jitter."""

from collections.abc import Callable
from random import Random
from typing import Final, NamedTuple, Protocol

from firmware_sim.fleet import wire
from firmware_sim.fleet.ledger import Record
from firmware_sim.fleet.link import Link, Links
from firmware_sim.fleet.message import Message
from firmware_sim.fleet.options import FleetOptions
from firmware_sim.fleet.tally import Latencies, Summary
from runtime.backoff import full_jitter

ROOT: Final = "hh/1"
_RETAINED: Final = frozenset({"birth", "state"})
_EXPIRY_S: Final = {"ack": 7 * 86_400, "res": 3600}
_SUBSCRIBE_ID: Final = 1
_LAST_ID: Final = 65_535
_STABLE_S: Final = 60.0
_TAKEN_OVER: Final = 0x8E
_BAD_CREDENTIALS: Final = frozenset({4, 5, 0x86, 0x87})
_PING_SHARE: Final = 0.6  # of the keep alive
_SILENT_SHARE: Final = 1.5


class Desk(Protocol):
    """What nodes share: the books, the clock, the counters, and who has something to write."""

    options: FleetOptions
    links: Links
    address: tuple[str, int]
    counts: Summary
    latencies: Latencies

    def now(self) -> float:
        """Monotonic seconds."""

    def now_ms(self) -> int:
        """UTC in ms."""

    def note(self, record: Record) -> None:
        """Put a record into the books before the next byte leaves."""

    def to_write(self, session: "Session") -> None:
        """This one has something to write, once the books are written."""

    def later(self, seconds: float, then: Callable[[], None]) -> None:
        """Call back after a while, unless the fleet has ended."""


class Identity(NamedTuple):
    """Who a node is, and how it speaks. `number` is its place in the fleet."""

    number: int
    id: str
    password: str
    protocol: wire.Protocol


class Owner(Protocol):
    """The node behind a session."""

    def will(self, con: int) -> bytes:
        """What the broker is to say when connection number `con` is lost."""

    def on_ready(self, con: int) -> None:
        """Connected and subscribed."""

    def on_lost(self) -> None:
        """The connection ended; what was under way may or may not have arrived."""

    def on_taken(self, message: Message, code: int) -> None:
        """The broker has acknowledged a message."""

    def on_heard(self, packet: wire.Publish) -> None:
        """The hub, through the broker, says something."""


class Session:
    """A connection that comes back by itself until `close`."""

    def __init__(self, desk: Desk, identity: Identity, owner: Owner) -> None:
        """Nothing is connected yet."""
        self._desk = desk
        self.identity = identity
        self._owner = owner
        self._rand = Random(f"{desk.options.seed}/{identity.number}")  # noqa: S311 - repeatable
        self._addresses: dict[str, wire.Address] = {}
        self._link: Link | None = None
        self._rest = b""
        self._out: list[bytes] = []
        self._in_flight: dict[int, Message | None] = {}
        self._last_id = _SUBSCRIBE_ID
        self._window = 0
        self._con = 0
        self._attempt = 0
        self._connected_at = self._heard_at = self._said_at = 0.0
        self._slow = False
        self._ended = False
        self.online = False

    @property
    def room(self) -> int:
        """How many more messages may be under way; 0 when the network takes nothing."""
        if not self.online or (self._link is not None and self._link.congested):
            return 0
        return self._window - len(self._in_flight)

    def publish(self, kind: str, payload: bytes, message: Message | None = None) -> None:
        """Publish at QoS 1; `message` is told to the owner when the broker has it."""
        to = self._addresses.get(kind) or self._address(kind)
        packet_id = self._free_id()
        self._in_flight[packet_id] = message
        self._write(wire.publish(to, packet_id, payload))

    def flush(self) -> None:
        """Hand what was gathered to the network; the books are written."""
        out, self._out = self._out, []
        if self._link is not None and out:
            self._said_at = self._desk.now()
            self._link.write(b"".join(out))

    def connect(self) -> None:
        """Begin to connect."""
        if self._ended or self._link is not None:
            return
        self._desk.counts.connects += 1
        self._heard_at = self._connected_at = self._desk.now()
        try:
            self._link = Link(
                self._desk.links,
                self._desk.address,
                on_open=self._opened,
                on_data=self._data,
                on_lost=self._lost,
            )
        except OSError as error:
            self._lost(error.strerror or "no socket")

    def sweep(self) -> None:
        """Now and then: ping, and notice a broker that says nothing."""
        if self._link is None:
            return
        now, keep_alive_s = self._desk.now(), self._desk.options.keep_alive_s
        if now - self._heard_at > keep_alive_s * _SILENT_SHARE:
            self._lost("the broker is silent")
        elif self.online and now - min(self._heard_at, self._said_at) > keep_alive_s * _PING_SHARE:
            self._write(wire.PING)

    def leave(self) -> None:
        """Say goodbye and do not come back."""
        self._ended = True
        if self.online:
            self._write(wire.GOODBYE)

    def close(self) -> None:
        """End the connection now and do not come back."""
        self._ended = True
        if self._link is not None:
            self._link.close()
            self._link = None

    def _opened(self) -> None:
        self._con += 1
        identity, options = self.identity, self._desk.options
        topic = f"{ROOT}/up/{identity.id}/state"
        will = wire.Will(topic, self._owner.will(self._con), options.will_delay_s)
        self._write(
            wire.connect(
                identity.id,
                identity.password,
                will,
                protocol=identity.protocol,
                keep_alive_s=options.keep_alive_s,
            )
        )

    def _lost(self, reason: str) -> None:
        if self._link is not None:
            self._link.close()
        counts = self._desk.counts
        counts.connected -= self.online
        if not self._ended:
            counts.trouble[reason] = counts.trouble.get(reason, 0) + 1
        self._link, self._rest, self._out, self._in_flight = None, b"", [], {}
        self.online = False
        self._owner.on_lost()
        if not self._ended:
            self._desk.later(self._wait_s(), self.connect)

    def _wait_s(self) -> float:
        options, lived = self._desk.options, self._desk.now() - self._connected_at
        if self._slow:
            self._slow = False
            return options.refused_s * (1.0 + self._rand.random() / 4)
        self._attempt = 0 if lived > _STABLE_S else self._attempt + 1
        wait = full_jitter(
            self._attempt,
            base=options.reconnect_base_s,
            cap=options.reconnect_cap_s,
            rand=self._rand.random,
        )
        return max(wait, options.reconnect_min_s - lived)

    def _data(self, data: bytes) -> None:
        self._heard_at = self._desk.now()
        buffer = self._rest + data if self._rest else data
        try:
            found, done = wire.frames(buffer)
            for type_, flags, start, end in found:
                self._packet(type_, flags, buffer[start:end])
                if self._link is None:
                    return
        except (wire.WireError, IndexError):
            self._lost("the broker speaks no MQTT")
            return
        self._rest = buffer[done:]

    def _packet(self, type_: int, flags: int, body: bytes) -> None:
        if type_ == wire.PUBACK:
            packet_id, code = wire.read_puback(body)
            message = self._in_flight.pop(packet_id, None)
            if message is not None:
                self._owner.on_taken(message, code)
        elif type_ == wire.PUBLISH:
            packet = wire.read_publish(flags, body, self.identity.protocol)
            if packet.packet_id:
                self._write(wire.puback(packet.packet_id))
            self._owner.on_heard(packet)
        elif type_ == wire.CONNACK:
            self._let_in(*wire.read_connack(body, self.identity.protocol))
        elif type_ == wire.SUBACK:
            self.online = True
            self._desk.counts.connected += 1
            self._owner.on_ready(self._con)
        elif type_ == wire.DISCONNECT:
            self._slow = bool(body) and body[0] == _TAKEN_OVER
            self._lost(f"told to go: 0x{body[0] if body else 0:02x}")

    def _let_in(self, code: int, window: int) -> None:
        if code:
            self._slow = code in _BAD_CREDENTIALS
            self._lost(f"refused: 0x{code:02x}")
            return
        self._window = window
        filters = (f"{ROOT}/dn/{self.identity.id}/+", f"{ROOT}/hub/status")
        self._write(wire.subscribe(_SUBSCRIBE_ID, filters, protocol=self.identity.protocol))

    def _write(self, data: bytes) -> None:
        if not self._out:
            self._desk.to_write(self)
        self._out.append(data)

    def _address(self, kind: str) -> wire.Address:
        made = self._addresses[kind] = wire.address(
            f"{ROOT}/up/{self.identity.id}/{kind}",
            protocol=self.identity.protocol,
            retain=kind in _RETAINED,
            expiry_s=_EXPIRY_S.get(kind),
        )
        return made

    def _free_id(self) -> int:
        while True:
            self._last_id = self._last_id + 1 if self._last_id < _LAST_ID else _SUBSCRIBE_ID + 1
            if self._last_id not in self._in_flight:
                return self._last_id
