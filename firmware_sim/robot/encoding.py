"""Keys and values to bytes and back, with the standard libraries of a maker."""

import base64
import io
import json
from typing import Any, Final

import cbor2

_CBOR_MAP: Final = range(0xA0, 0xC0)


def to_bytes(body: dict[str, Any], encoding: str) -> bytes:
    """A message as JSON, where bytes become base64, or as CBOR."""
    if encoding == "cbor":
        return bytes(cbor2.dumps(body))
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), default=_base64)
    return text.encode()


def to_values(payload: bytes) -> dict[str, Any]:
    """What the hub said; raises ValueError for anything that is no message."""
    try:
        value = _read(payload)
    except (ValueError, TypeError, RecursionError, cbor2.CBORError) as error:
        raise ValueError(f"not readable: {type(error).__name__}") from error
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - like all unreadable
    return value


def _read(payload: bytes) -> Any:
    if payload[:1] and payload[0] in _CBOR_MAP:
        stream = io.BytesIO(payload)
        return cbor2.load(stream)
    return json.loads(payload)


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no place in a message")
