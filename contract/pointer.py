"""From a decoder's complaint to a defect a maker can act on: JSON pointer, value got, code.

Only runs when a message is refused, so it may read the payload a second time.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from contract.errors import Refused, refused

_AT: Final = re.compile(r"^(?P<what>.*?)(?: - at (?P<key>`key` in )?`(?P<path>\$.*)`)?$", re.DOTALL)
_STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\[(\.\.\.)\]")
_GOT: Final = re.compile(r"got `(\w+)`")
_MISSING: Final = re.compile(r"missing required field `([^`]*)`")
_BYTE: Final = re.compile(r"\(byte (\d+)\)")
_LITERALS: Final = (b"NaN", b"Infinity", b"-Infinity")
# A long run of digits is shown cut, not made a number of.
_LONGEST_INT: Final = 40

ANY_KEY: Final = ...  # a step into a map whose key the decoder does not tell
Step = Any  # str (a key), int (an index) or ANY_KEY


def pointer(steps: list[str | int]) -> str:
    """The JSON pointer (RFC 6901) of a place."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def malformed(payload: bytes, error: msgspec.DecodeError) -> Refused:
    """Syntax: not JSON, or NaN and Infinity, which other decoders would have let through."""
    at = _BYTE.search(str(error))
    offset = int(at[1]) if at else len(payload)
    if b"\x00" in payload[max(0, offset - 1) : offset + 1]:
        return refused("E2009", msg=f"byte {offset} is zero")
    place = payload[max(0, offset - 1) :]
    if place[1:].startswith(_LITERALS) or place.startswith(_LITERALS):
        return refused("E2004", _path_of_literal(payload), got=_literal(place))
    text = str(error).removeprefix("JSON is malformed: ").split(" (byte")[0]
    got = payload[offset : offset + 16].decode("ascii", "backslashreplace")
    return refused("E2001", msg=f"byte {offset}: {text}", got=got or None)


def _literal(place: bytes) -> str:
    return next(lit for lit in (b"-Infinity", b"Infinity", b"NaN") if lit in place[:10]).decode()


def _path_of_literal(payload: bytes) -> str:
    found = _find(read(payload), lambda value: isinstance(value, float) and not _finite(value))
    return pointer(found) if found is not None else ""


def of_nul(payload: bytes) -> str:
    """Where the first text with U+0000 stands; the whole message where that cannot be told."""
    try:
        found = _find(read(payload), lambda value: isinstance(value, str) and "\x00" in value)
    except RecursionError:  # its depth was not checked yet
        return ""
    return pointer(found) if found is not None else ""


def _finite(value: float) -> bool:
    return math.isfinite(value)


def misfit(document: Any, error: msgspec.ValidationError) -> Refused:
    """Schema: the `document`, as plain values, does not fit the message."""
    found = _AT.match(str(error))
    what, path = (found["what"], found["path"] or "$") if found else (str(error), "$")
    steps = [_step(match) for match in _STEP.finditer(path)]
    missing = _MISSING.search(what)
    if missing:
        place = [*_settle(document, steps, lambda value: isinstance(value, dict)), missing[1]]
        return refused("E2102", pointer(place), msg=f"the key {missing[1]} is missing")
    place = _settle(document, steps, _suspect(what))
    code = _code(what)
    return refused(code, pointer(place), msg=_plain(what), got=_shown(_walk(document, place)))


def _step(match: re.Match[str]) -> Step:
    if match[1] is not None:
        return match[1]
    return int(match[2]) if match[2] is not None else ANY_KEY


def _code(what: str) -> str:
    if "out of range" in what:
        return "E2004"
    if "of length <=" in what and "`str`" in what:
        return "E2103"
    if re.search(r"Expected `(int|float)[^`]*` [<>]", what):
        return "E2104"
    return "E2101" if what.startswith("Expected") else "E2105"


def _plain(what: str) -> str:
    return what.replace("`", "").replace("Expected", "expected").replace(" | null", " or null")


def _suspect(what: str) -> Callable[[Any], bool]:
    """What the offending value looks like, to find it among the entries of a map."""
    got = _GOT.search(what)
    if got:
        return lambda value: _type_name(value) == got[1]
    if "of length <=" in what:
        return lambda value: isinstance(value, str) and len(value) > 512
    return lambda value: _type_name(value) in {"int", "float"} and not _representable(value)


def _representable(value: Any) -> bool:
    return not isinstance(value, _Digits) and _finite(value)


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, _Digits):
        return "int"
    kinds = {bool: "bool", dict: "object", list: "array"}
    return kinds.get(type(value), type(value).__name__)


def _settle(value: Any, steps: list[Step], fits: Callable[[Any], bool]) -> list[str | int]:
    """The place `steps` means, with every untold key found; as far as it can be found."""
    for place, found in _places(value, steps):
        if fits(found):
            return place
    told: list[str | int] = []
    for step in steps:
        if step is ANY_KEY:
            break
        told.append(step)
    return told


def _places(value: Any, steps: list[Step]) -> Iterator[tuple[list[str | int], Any]]:
    if not steps:
        yield [], value
        return
    first, rest = steps[0], steps[1:]
    keys = list(value) if first is ANY_KEY and isinstance(value, dict) else [first]
    for key in keys:
        if _has(value, key):
            for place, found in _places(value[key], rest):
                yield [key, *place], found


def _has(value: Any, key: Step) -> bool:
    if isinstance(value, dict):
        return key in value
    return isinstance(value, list) and isinstance(key, int) and key < len(value)


def _walk(value: Any, place: list[str | int]) -> Any:
    for key in place:
        if not _has(value, key):
            return None
        value = value[key]
    return value


def _find(value: Any, wanted: Callable[[Any], bool]) -> list[str | int] | None:
    if wanted(value):
        return []
    entries: Any = ()
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    for key, entry in entries:
        place = _find(entry, wanted)
        if place is not None:
            return [key, *place]
    return None


class _Digits(str):
    """An integer too long to be worth making a number of."""

    __slots__ = ()


def _integer(text: str) -> Any:
    return int(text) if len(text) <= _LONGEST_INT else _Digits(text)


def read(payload: bytes) -> Any:
    """JSON as plain values; depth and encoding were checked before."""
    try:
        return json.loads(payload, parse_int=_integer)
    except ValueError:
        return None  # more than one mistake: the place stays as far as the decoder told it


def _shown(value: Any) -> str | None:
    if value is None:
        return "null"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, str):
        return str(value)  # digits too: no encoder takes a text of another type
    return json.dumps(value, ensure_ascii=False, default=_shown)
