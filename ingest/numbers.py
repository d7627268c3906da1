"""The numbers of a message that could not be decoded, and the digest of one that could."""

import hashlib
from typing import Final

import msgspec
from msgspec import Struct

from contract import messages, wire
from contract.codec import MAX_PACKET, Up

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
        return _digest(_ENCODER.encode((message.t, message.ser)))
    if isinstance(message, messages.Event):
        return _digest(f"{message.type}:{message.id or message.t}".encode())
    said = {
        name: value
        for name, value in msgspec.structs.asdict(message).items()
        if name not in _VOLATILE
    }
    return _digest(msgspec.json.encode(said))


def digest_of_payload(payload: bytes) -> int:
    """The same of bytes that are no message."""
    return _digest(payload)


def _digest(content: bytes) -> int:
    digest = hashlib.blake2b(content, digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True) or 1  # 0 is store.message.NOTHING_TAKEN
