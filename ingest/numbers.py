"""The numbers of a message that could not be decoded, and the digest of one that could."""

import hashlib
import math
import operator
from array import array
from typing import Any, Final

import msgspec
from msgspec import Struct

from contract import messages, wire
from contract.codec import MAX_PACKET, Up
from contract.strict import columns_of

_ENCODER: Final = msgspec.msgpack.Encoder()
# What may change when the same thing is said again. `t` is the base of the times of a batch of
# measurements, so there it counts; elsewhere a device may stamp each sending anew.
_VOLATILE: Final = frozenset({"v", "boot", "seq", "t", "clk", "cerr", "up", "hist", "rc", "tp"})


class Numbers(Struct, frozen=True):
    """The envelope as far as it can be read, to receipt also what is refused."""

    boot: wire.Boot | None = None
    seq: wire.Count | None = None
    rc: int | None = None


_DECODER: Final = msgspec.json.Decoder(Numbers)


def numbers_of(payload: bytes) -> Numbers:
    """Boot and number of a payload that is no valid message; nothing, if they cannot be read."""
    if len(payload) > MAX_PACKET:
        return Numbers()
    try:
        return _DECODER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Numbers()


def digest_of(message: Up) -> int:
    """64 bits of what was said, without what a resend may change, as a signed number."""
    if isinstance(message, messages.Obs):
        said_of = [_said(series) for series in message.ser]
        return _digest(_ENCODER.encode((message.t, said_of)))
    if isinstance(message, messages.Event):
        return _digest(f"{message.type}:{message.id or message.t}".encode())
    said = {
        name: value
        for name, value in msgspec.structs.asdict(message).items()
        if name not in _VOLATILE
    }
    return _digest(msgspec.json.encode(said))


# Without the values: those are told apart by what they are, not by how they were written.
_SAID: Final = operator.attrgetter(
    "k", "dev", "u", "dt", "o", "q", "fl", "how", "site", "pos", "who", "ses", "rec", "fix"
)


def _said(series: Any) -> tuple[Any, ...]:
    """A series the same way however it was decoded: 97 and 97.0 are one number, and a key that
    is absent is one that says nothing."""
    said = tuple(value or None for value in _SAID(series))
    if series.y is not None:
        return (*said, _packed(series.y))
    return (*said, sorted((key, _packed(values)) for key, values in columns_of(series)))


def _packed(values: list[float | None]) -> bytes:
    try:
        return array("d", values).tobytes()  # type: ignore[arg-type]
    except TypeError:
        return array("d", [math.nan if value is None else value for value in values]).tobytes()


def digest_of_payload(payload: bytes) -> int:
    """The same of bytes that are no message."""
    return _digest(payload)


def _digest(content: bytes) -> int:
    digest = hashlib.blake2b(content, digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True) or 1  # 0 is store.message.NOTHING_TAKEN
