"""An event always lands (safety rule 4): what can be read of one that is no valid message.

A call for help from a device with a firmware fault is still a call for help. Whatever is missing
is made up, whatever does not fit is cut, and the sender is told what was wrong with it.
"""

import json
import math
import re
from typing import Any, Final

from contract import cbor, messages
from contract.errors import Refused
from contract.instants import to_millis
from ingest.mqtt_session import Arrival
from store.reject import clean

UNREADABLE: Final = "unreadable"
_TEXT: Final = 64
_RAW: Final = 2000
_DEPTH: Final = 6
_INT64: Final = range(-(2**63), 2**63)
_BOOT: Final = range(2**32)
_COUNT: Final = range(2**53 + 1)
_TEXTS: Final = ("type", "id", "sev", "who", "ref")
_NUMBERS: Final = ("boot", "seq", "t", "try")
_PAIR: Final = re.compile(r'"(type|id|sev|who|ref)"\s*:\s*"([^"\\]{1,64})"')
# The last resort, for bytes that are neither JSON nor CBOR.
_CALLS: Final = ("call_doctor", "no_motion", "sos", "fall")
_CALL: Final = re.compile("|".join(_CALLS))
# A payload that ends inside the word: "type":"call_do. Three letters tell the calls apart.
_CUT_OFF: Final = re.compile(r'"type"\s*:\s*"(\w{3,})$')
_NUMBER: Final = re.compile(r'"(boot|seq|t|try)"\s*:\s*(\d{1,16})\b')


def loose(payload: bytes) -> dict[str, Any]:
    """The payload as plain values that any database takes; what is torn as far as it can be
    read."""
    value = _whole(payload)
    if not isinstance(value, dict):
        text = payload.decode("utf-8", "replace")
        value = {"raw": text[:_RAW], **_pieces(payload, text)}
        call = _called_for(text)
        if call is not None:
            value.setdefault("type", call)
    plain: dict[str, Any] = _plain(value, _DEPTH)
    return plain


def _called_for(text: str) -> str | None:
    """The call for help in a text that is no message, also when it breaks off within the word."""
    found = _CALL.search(text)
    if found is not None:
        return found[0]
    cut = _CUT_OFF.search(text)
    return next((word for word in _CALLS if cut and word.startswith(cut[1])), None)


def _whole(payload: bytes) -> Any:
    try:
        if cbor.announced(payload):
            return cbor.read(payload)
        return json.loads(payload.decode("utf-8", "replace"))
    except (ValueError, RecursionError, Refused):
        return None


def _pieces(payload: bytes, text: str) -> dict[str, Any]:
    if cbor.announced(payload):
        return cbor.scan(payload, texts=_TEXTS, numbers=_NUMBERS)
    numbers = {name: int(digits) for name, digits in _NUMBER.findall(text)}
    return dict(_PAIR.findall(text)) | numbers


def _plain(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if value in _INT64 else None
    if isinstance(value, dict):
        return {clean(k): _plain(v, depth - 1) for k, v in value.items()} if depth else None
    if isinstance(value, list):
        return [_plain(entry, depth - 1) for entry in value] if depth else None
    return None if value is None else str(value)


def as_event(said: dict[str, Any], arrival: Arrival) -> messages.Event:
    """The event in it. Without a type it is `unreadable`; its time may be that of arrival."""
    time = _within(said.get("t"), range(-(2**53), 2**53))
    return messages.Event(
        v=0,
        boot=_within(said.get("boot"), _BOOT) or 0,
        seq=_within(said.get("seq"), _COUNT) or 0,
        t=time if time is not None else to_millis(arrival.received_at),
        clk=_text(said.get("clk")) if time is not None else "none",
        id=_text(said.get("id")),
        type=_text(said.get("type")) or UNREADABLE,
        sev=_text(said.get("sev")),
        src=_object(said.get("src")),
        ref=_text(said.get("ref")),
        who=_text(said.get("who")),
        attempt=_within(said.get("try"), range(2**31)),
    )


def counted(said: dict[str, Any]) -> tuple[int | None, int | None]:
    """Boot and number, where both are there."""
    boot, seq = _within(said.get("boot"), _BOOT), _within(said.get("seq"), _COUNT)
    return (None, None) if boot is None or seq is None else (boot, seq)


def _within(value: Any, allowed: range) -> int | None:
    return value if type(value) is int and value in allowed else None


def _text(value: Any) -> str | None:
    if isinstance(value, bool | dict | list) or value is None:
        return None
    return str(value)[:_TEXT] or None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
