"""The few packets of MQTT 5 and 3.1.1 that a device needs, as bytes and back.

The usual codec knows version 5 only and takes packets apart into objects; ten thousand devices
in one process need both versions and no objects.
"""

from typing import Final, Literal, NamedTuple

Protocol = Literal[4, 5]

CONNACK: Final = 2
PUBLISH: Final = 3
PUBACK: Final = 4
SUBACK: Final = 9
PINGRESP: Final = 13
DISCONNECT: Final = 14

PING: Final = b"\xc0\x00"
GOODBYE: Final = b"\xe0\x00"
_EXPIRY_PROPERTY: Final = 0x02
_SESSION_EXPIRY: Final = 0x11
_WILL_DELAY: Final = 0x18
_RECEIVE_MAXIMUM: Final = 0x21
_NOT_TOLD: Final = {5: 65_535, 4: 10}  # how much may be in flight where the broker does not say
# The length in bytes of each property's value a CONNACK can carry; 0: a text, -1: a pair of them.
_PROPERTIES: Final = {
    0x11: 4, 0x13: 2, 0x21: 2, 0x22: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1,
    0x12: 0, 0x15: 0, 0x16: 0, 0x1A: 0, 0x1C: 0, 0x1F: 0, 0x26: -1,
}  # fmt: skip


class WireError(Exception):
    """What arrived is not MQTT."""


class Will(NamedTuple):
    """What the broker publishes, retained, when the connection ends without a word."""

    topic: str
    payload: bytes
    delay_s: int


class Publish(NamedTuple):
    """A message from the broker; `packet_id` is 0 at QoS 0."""

    topic: bytes
    payload: bytes
    packet_id: int


def varint(number: int) -> bytes:
    """A length as MQTT writes it."""
    if number < 128:
        return bytes((number,))
    written = bytearray()
    while number >= 128:
        written.append(number & 127 | 128)
        number >>= 7
    written.append(number)
    return bytes(written)


def text(said: str | bytes) -> bytes:
    """A text, or bytes, with two bytes of length before it."""
    raw = said.encode() if isinstance(said, str) else said
    return len(raw).to_bytes(2, "big") + raw


def connect(
    node: str, password: str, will: Will, *, protocol: Protocol, keep_alive_s: int
) -> bytes:
    """CONNECT to a session that outlives the connection, with the node's id as every name."""
    head = text("MQTT") + bytes((protocol, 0b1110_1100)) + keep_alive_s.to_bytes(2, "big")
    told = will_told = b""
    if protocol == 5:
        expiry = bytes((_SESSION_EXPIRY,)) + (86_400).to_bytes(4, "big")
        window = bytes((_RECEIVE_MAXIMUM,)) + (100).to_bytes(2, "big")
        told = _properties(expiry + window)
        will_told = _properties(bytes((_WILL_DELAY,)) + will.delay_s.to_bytes(4, "big"))
    body = head + told + text(node) + will_told + text(will.topic) + text(will.payload)
    return _packet(0x10, body + text(node) + text(password))


def subscribe(packet_id: int, filters: tuple[str, ...], *, protocol: Protocol) -> bytes:
    """SUBSCRIBE to topics at QoS 1."""
    told = b"\x00" if protocol == 5 else b""
    wanted = b"".join(text(one) + b"\x01" for one in filters)
    return _packet(0x82, packet_id.to_bytes(2, "big") + told + wanted)


class Address(NamedTuple):
    """The parts of a PUBLISH at QoS 1 that are the same for every message of a topic."""

    first: bytes
    topic: bytes
    told: bytes


def address(
    topic: str, *, protocol: Protocol, retain: bool = False, expiry_s: int | None = None
) -> Address:
    """Prepare to publish to a topic; an expiry is told on MQTT 5."""
    told = b""
    if protocol == 5:
        name = bytes((_EXPIRY_PROPERTY,))
        told = _properties(b"" if expiry_s is None else name + expiry_s.to_bytes(4, "big"))
    return Address(b"\x33" if retain else b"\x32", text(topic), told)


def publish(to: Address, packet_id: int, payload: bytes) -> bytes:
    """PUBLISH at QoS 1."""
    first, topic, told = to
    length = varint(len(topic) + 2 + len(told) + len(payload))
    return b"".join((first, length, topic, packet_id.to_bytes(2, "big"), told, payload))


def puback(packet_id: int) -> bytes:
    """PUBACK of what the broker sent."""
    return b"\x40\x02" + packet_id.to_bytes(2, "big")


def frames(buffer: bytes) -> tuple[list[tuple[int, int, int, int]], int]:
    """The whole packets in a buffer as (type, flags, start, end) of their bodies, and how many
    bytes they take. Raises WireError."""
    found, at, size = [], 0, len(buffer)
    while at + 2 <= size:
        length, place = buffer[at + 1], at + 2
        if length >= 128:
            length, place = _long(buffer, at + 1)
        if not place or place + length > size:
            break
        found.append((buffer[at] >> 4, buffer[at] & 15, place, place + length))
        at = place + length
    return found, at


def _long(buffer: bytes, at: int) -> tuple[int, int]:
    """A length of several bytes and where it ends, 0: not all of it is there."""
    length = 0
    for place in range(4):
        if at + place >= len(buffer):
            return 0, 0
        length |= (buffer[at + place] & 127) << 7 * place
        if buffer[at + place] < 128:
            return length, at + place + 1
    raise WireError("a length of more than four bytes")


def read_connack(body: bytes, protocol: Protocol) -> tuple[int, int]:
    """The code (0: let in) and how much may be in flight. Raises WireError."""
    if len(body) < 2:
        raise WireError("a CONNACK that is too short")
    window = _NOT_TOLD[protocol]
    if protocol == 5 and len(body) > 2:
        window = _property(body[3 : 3 + body[2]], _RECEIVE_MAXIMUM) or window
    return body[1], window


def read_publish(flags: int, body: bytes, protocol: Protocol) -> Publish:
    """A message from the broker. Raises WireError."""
    at = 2 + int.from_bytes(body[:2], "big")
    topic, packet_id = body[2:at], 0
    if flags & 6:
        packet_id = int.from_bytes(body[at : at + 2], "big")
        at += 2
    if protocol == 5:
        if at >= len(body):
            raise WireError("a PUBLISH that is too short")
        length, after = (body[at], at + 1) if body[at] < 128 else _long(body, at)
        at = after + length
    return Publish(topic, body[at:], packet_id)


def read_puback(body: bytes) -> tuple[int, int]:
    """The packet id and the reason code (0: taken)."""
    return int.from_bytes(body[:2], "big"), body[2] if len(body) > 2 else 0


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + varint(len(body)) + body


def _properties(raw: bytes) -> bytes:
    return varint(len(raw)) + raw


def _property(raw: bytes, wanted: int) -> int | None:
    """The number a property carries; None: it is not among these."""
    at = 0
    while at < len(raw):
        name, size = raw[at], _PROPERTIES.get(raw[at])
        if size is None:
            raise WireError(f"an unknown property 0x{name:02x}")
        at += 1
        if name == wanted:
            return int.from_bytes(raw[at : at + size], "big")
        if size > 0:
            at += size
        else:
            for _ in range(2 if size < 0 else 1):
                at += 2 + int.from_bytes(raw[at : at + 2], "big")
    return None
