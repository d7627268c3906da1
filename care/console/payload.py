"""A message as a person reads it, with the refused place. Pure; nothing in it is trusted."""

import json
from typing import Any, Final

from msgspec import Struct

from contract import cbor, spot
from contract.errors import Refused

# What is shown of a long message: so many characters on each side of the place.
AROUND: Final = 6000
_WIDTH: Final = 64
_BINARY: Final = frozenset({"d"})


class Shown(Struct, frozen=True, kw_only=True):
    """The text in three parts, the middle one is the place ("" for none); `cut`: there is more.

    `form` is what the bytes were: json, cbor, or raw for what is neither.
    """

    form: str
    before: str
    marked: str = ""
    after: str = ""
    cut: bool = False


def shown(payload: bytes, path: str | None, message: str = "") -> Shown:
    """The message laid out; `message` may name a byte where the text breaks."""
    form, values = _read(payload)
    if form == "raw":
        return _raw(payload, spot.byte_named(message))
    text = laid_out(values)
    found = spot.find(text, path) if path else None
    return _around(form, text, found.start if found else 0, found.end if found else 0)


def _read(payload: bytes) -> tuple[str, Any]:
    try:
        if cbor.announced(payload):
            return "cbor", cbor.read(payload, _BINARY)
        return "json", json.loads(payload)
    except (Refused, ValueError, RecursionError):
        return "raw", None


def _raw(payload: bytes, byte: int | None) -> Shown:
    text = payload.decode("utf-8", "backslashreplace")
    if byte is None:
        return _around("raw", text, 0, 0)
    start = len(payload[:byte].decode("utf-8", "backslashreplace"))
    return _around("raw", text, start, min(start + 12, len(text)))


def _around(form: str, text: str, start: int, end: int) -> Shown:
    low, high = max(0, start - AROUND), min(len(text), end + AROUND)
    return Shown(
        form=form,
        before=_visible(text[low:start]),
        marked=_visible(text[start:end][:AROUND]),
        after=_visible(text[end:high]),
        cut=low > 0 or high < len(text) or end - start > AROUND,
    )


def _visible(text: str) -> str:
    """Nothing that turns text round or is not to be seen."""
    return "".join(c if c == "\n" or c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def laid_out(value: Any, indent: int = 0) -> str:
    """JSON with what fits on one line, on one line: columns of samples stay short."""
    flat = json.dumps(value, ensure_ascii=False, default=_bytes)
    if len(flat) + indent <= _WIDTH or not isinstance(value, dict | list):
        return flat
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        parts = [
            f"{json.dumps(key, ensure_ascii=False)}: {laid_out(entry, indent + 2)}"
            for key, entry in value.items()
        ]
    elif all(not isinstance(entry, dict | list) for entry in value):
        return flat
    else:
        parts = [laid_out(entry, indent + 2) for entry in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{' ' * indent}{closing}"


def _bytes(value: Any) -> str:
    return f"h'{value.hex()}'" if isinstance(value, bytes) else str(value)
