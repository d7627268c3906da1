"""What the hub says to a node, read from the specification alone: keys that are not needed here
are not looked at, and what cannot be read is ignored."""

from typing import Any, Final

import msgspec
from msgspec import Struct, field


class Receipt(Struct, frozen=True):
    """Settled numbers of a boot."""

    boot: int
    upto: int
    also: tuple[tuple[int, int], ...] = ()


class Reference(Struct, frozen=True):
    """Which message is meant."""

    boot: int | None = None
    seq: int | None = None


class Feedback(Struct, frozen=True):
    """A receipt, a refusal, or a request to slow down (`after` seconds)."""

    rcpt: Receipt | None = None
    ref: Reference | None = None
    ok: bool | None = None
    code: str | None = None
    retry: bool | None = None
    after: int | None = None


class Status(Struct, frozen=True):
    """The state of the hub."""

    s: str


class Order(Struct, frozen=True):
    """A command: `exp` in UTC ms."""

    id: str
    op: str
    exp: int
    args: dict[str, Any] = field(default_factory=dict)


_FEEDBACK: Final = msgspec.json.Decoder(Feedback)
_STATUS: Final = msgspec.json.Decoder(Status)
_ORDER: Final = msgspec.json.Decoder(Order)
_DECODERS: Final[dict[bytes, msgspec.json.Decoder[Any]]] = {
    b"fb": _FEEDBACK,
    b"status": _STATUS,
    b"cmd": _ORDER,
}


def understood(topic: bytes, payload: bytes) -> Feedback | Status | Order | None:
    """What the hub said; None for what the fleet has no ear for."""
    decoder = _DECODERS.get(topic.rpartition(b"/")[2])
    if decoder is None:
        return None
    try:
        found: Feedback | Status | Order = decoder.decode(payload)
    except msgspec.DecodeError:
        return None
    return found
