"""The numbers of a message that could not be decoded, and the digest of one that could."""

import hashlib
import re
from typing import Any, Final

import msgspec
from msgspec import Struct

from contract import cbor, messages, wire
from contract.codec import MAX_PACKET, Up
from contract.errors import Refused
from contract.strict import SERIES_KEYS, columns_of

_ENCODER: Final = msgspec.msgpack.Encoder()
_TORN: Final = "E2010"
_FLOAT: Final = 0xCB  # what a float begins with in MessagePack
# An envelope stands at the beginning of a message; where keys are sorted, partly at its end.
_GLIMPSE: Final = 512
_COUNTED: Final = re.compile(rb'"(boot|seq)"\s*:\s*(\d{1,16})(?=\s*[,}])')
_NOTHING: Final = frozenset({"dev", "dt", "fix"})  # empty or 0 here is the same as absent
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
        if cbor.announced(payload):
            return _numbers_of_cbor(payload)
        return _DECODER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Numbers()


def _numbers_of_cbor(payload: bytes) -> Numbers:
    """As of JSON: nothing of what is torn; what is whole and not allowed still has its numbers."""
    try:
        said = cbor.read(payload)
    except Refused as error:
        if error.defect.code == _TORN:
            return Numbers()
        said = cbor.scan(payload, texts=(), numbers=Numbers.__struct_fields__)
    return msgspec.convert(said, Numbers)


def glimpse_of(payload: bytes) -> Numbers:
    """Boot and number of a payload nobody looks into: sought in its first and last bytes, at the
    same small cost whatever its size."""
    ends = [payload[:_GLIMPSE], payload[max(_GLIMPSE, len(payload) - _GLIMPSE) :]]
    seen: dict[str, Any] = {}
    for end in ends:
        seen = _counted(end, packed=cbor.announced(payload)) | seen
    try:
        return msgspec.convert(seen, Numbers)
    except msgspec.ValidationError:
        return Numbers()


def _counted(end: bytes, *, packed: bool) -> dict[str, Any]:
    if packed:
        return cbor.scan(end, texts=(), numbers=("boot", "seq"))
    return {name.decode(): int(digits) for name, digits in reversed(_COUNTED.findall(end))}


def digest_of(message: Up) -> int:
    """64 bits of what was said, without what a resend may change, as a signed number."""
    if isinstance(message, messages.Obs):
        return _digest(_said(message))
    if isinstance(message, messages.Event):
        return _digest(f"{message.type}:{message.id or message.t}".encode())
    said = {
        name: value
        for name, value in msgspec.structs.asdict(message).items()
        if name not in _VOLATILE
    }
    return _digest(msgspec.json.encode(said))


def digest_of_proven(obs: messages.Obs) -> int:
    """The same of a batch of measurements, in a hurry."""
    return _digest(_said(obs))


def _said(obs: messages.Obs) -> bytes:
    """The same bytes however the batch was decoded: 97 and 97.0 are one number, and a key that is
    absent is one that says nothing. As strict structs are encoded, unless floats are in them."""
    if type(obs) is not messages.Obs:
        encoded = _ENCODER.encode((obs.t, obs.ser))
        if _FLOAT not in encoded:
            return encoded
    return _ENCODER.encode((obs.t, [_plain_series(series) for series in obs.ser]))


def _plain_series(series: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"k": series.k}
    for key in SERIES_KEYS:
        value = getattr(series, key, None)
        if key == "c" and value is not None:
            said[key] = {part: _whole(values) for part, values in columns_of(series)}
        elif key == "y" and value is not None:
            said[key] = _whole(value)
        elif value is not None and not (key in _NOTHING and not value):
            said[key] = value
    return said


def _whole(values: list[float | None]) -> list[float | None]:
    return [
        int(value)
        if isinstance(value, float) and abs(value) < 2**53 and value.is_integer()
        else value
        for value in values
    ]


def digest_of_payload(payload: bytes) -> int:
    """The same of bytes that are no message."""
    return _digest(payload)


def _digest(content: bytes) -> int:
    digest = hashlib.blake2b(content, digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True) or 1  # 0 is store.message.NOTHING_TAKEN
