"""What is added to a stored message as it goes out: what describes the sending. Pure.

The content under a number never changes; `hist`, `try` and `up` are about the moment of sending,
and so is the encoding: stored is JSON, sent is JSON or CBOR.
"""

from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from contract import codec
from contract.instants import to_millis
from gateway.spool import MEASUREMENTS, Stored

_KEYS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NEEDS_UPTIME: Final = frozenset({"manual", "none"})


class _Clocked(Struct):
    clk: str | None = None


def dressed(
    message: Stored,
    *,
    sendings: int,
    waits_since: datetime,
    uptime_ms: int,
    encoding: codec.Encoding = "json",
) -> bytes:
    """The payload for sending number `sendings`.

    An event says its `try`; a measurement spooled before `waits_since` says `hist`, and one whose
    clock was set by hand or is missing says the uptime now, which the hub places it by.
    """
    extra: dict[str, int] = {}
    if message.kind == "event":
        extra["try"] = sendings
    if message.kind in MEASUREMENTS:
        if message.created < to_millis(waits_since):
            extra["hist"] = 1
        if msgspec.json.decode(message.payload, type=_Clocked).clk in _NEEDS_UPTIME:
            extra["up"] = uptime_ms
    payload = message.payload
    if extra:
        raw = {key: msgspec.Raw(str(value).encode()) for key, value in extra.items()}
        payload = msgspec.json.encode(_KEYS.decode(payload) | raw)
    if encoding == "json":
        return payload
    return codec.encode(codec.decode(message.kind, payload), encoding=encoding)
