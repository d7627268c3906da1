"""CBOR (RFC 8949) to plain values and back, with nothing in it that JSON could not say.

Maps and arrays of open length are taken: small chips send while they measure. Byte strings are
taken at the top of a message only, under the keys the caller names.
"""

import contextlib
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NoReturn

import cbor2

from contract import first_place
from contract.errors import Refused, refused
from contract.pointer import pointer
from contract.shape import MAX_DEPTH, MAX_PACKET

FIRST: Final = range(0xA0, 0xC0)  # the first byte of a map
_TEXT: Final = 0x60
_NUMBERS: Final = range(0x1C)
_TEXTS: Final = range(_TEXT, 0x79)  # up to 255 bytes
_LONGEST_ITEM: Final = 512
_SELF_DESCRIBED: Final = b"\xd9\xd9\xf7"
_TOO_DEEP: Final = "nesting depth"
_HARMLESS: Final = frozenset({int, bool, type(None)})
_NUMERIC: Final = _HARMLESS | {float}


class _TagError(Exception):
    """A tag was met."""


def _no_tag(*_: object) -> NoReturn:
    raise _TagError


class _EveryTag(Mapping[int, Any]):
    """Answers for every tag, so that the library interprets none: no dates, regular expressions,
    decimals of a billion digits, shared or cyclic values."""

    def __getitem__(self, tag: int) -> Any:
        return _no_tag

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 1


_EVERY_TAG: Final = _EveryTag()


def announced(payload: bytes) -> bool:
    """The first byte says that this is CBOR: a map, or the tag that marks a file as CBOR."""
    return bool(payload) and (payload[0] in FIRST or payload.startswith(_SELF_DESCRIBED))


def read(payload: bytes, binary: frozenset[str] = frozenset()) -> Any:
    """The payload as plain values; raises Refused. Byte strings may stand under `binary`."""
    if len(payload) > MAX_PACKET:
        raise refused("E5001", msg=f"{len(payload)} bytes, at most {MAX_PACKET}")
    if payload.startswith(_SELF_DESCRIBED):
        raise refused("E2011", msg="a message begins with its map, not with a tag")
    try:
        decoder = cbor2.CBORDecoder(
            io.BytesIO(payload),
            max_depth=MAX_DEPTH,
            semantic_decoders=_EVERY_TAG,
            tag_hook=_no_tag,
        )
        document = decoder.decode()
    except (cbor2.CBORDecodeError, ValueError, TypeError, RecursionError) as error:
        raise _unreadable(error, payload) from None
    _check_end(decoder)
    _check_map(document, [], binary)
    return document


def scan(payload: bytes, *, texts: Iterable[str], numbers: Iterable[str]) -> dict[str, Any]:
    """What a map that cannot be read still says under some keys: short texts and whole numbers,
    found by the bytes of the key, wherever they stand. A guess, for what must not be lost."""
    wanted = [*((key, _TEXTS) for key in texts), *((key, _NUMBERS) for key in numbers)]
    found = {key: _first(payload, key.encode(), heads) for key, heads in wanted}
    return {key: value for key, value in found.items() if value is not None}


def _first(payload: bytes, key: bytes, heads: range) -> Any:
    sought = bytes([_TEXT + len(key)]) + key
    at = payload.find(sought)
    while at >= 0:
        rest = payload[at + len(sought) : at + len(sought) + _LONGEST_ITEM]
        if rest and rest[0] in heads:
            with contextlib.suppress(cbor2.CBORDecodeError):
                return cbor2.loads(rest)
        at = payload.find(sought, at + 1)
    return None


def write(values: Any) -> bytes:
    """Plain values as CBOR, always the same bytes for the same values, numbers as short as can
    be."""
    return cbor2.dumps(values, canonical=True)


def _unreadable(error: Exception, payload: bytes) -> Refused:
    if isinstance(error.__cause__, _TagError):
        place = first_place.tag_in_cbor(payload, MAX_DEPTH)
        return refused("E2011", place, "a tag; HH/1 has no use for tags")
    if isinstance(error.__cause__, UnicodeDecodeError):
        return refused("E2002", msg="a text is not UTF-8")
    if _TOO_DEEP in str(error):
        return refused("E2003", first_place.too_deep_in_cbor(payload, MAX_DEPTH))
    if isinstance(error, cbor2.CBORDecodeEOF):
        return refused("E2010", msg=f"cut short after {len(payload)} bytes")
    return refused("E2010", msg=str(error)[:200])


def _check_end(decoder: cbor2.CBORDecoder) -> None:
    try:
        left = decoder.read(1)
    except cbor2.CBORDecodeEOF:
        return
    raise refused("E2010", msg="bytes after the end of the map", got=f"0x{left[0]:02X}")


def _check_map(entries: Mapping[Any, Any], place: list[str | int], binary: frozenset[str]) -> None:
    for key, value in entries.items():
        if not isinstance(key, str):
            raise refused("E2011", pointer(place), "a key that is no text", str(key)[:64])
        _check_text(key, place)
        if isinstance(value, bytes) and key in binary:
            continue
        if type(value) not in _HARMLESS:
            _check_value(value, [*place, key])


def _check_value(value: Any, place: list[str | int]) -> None:
    if len(place) >= MAX_DEPTH and isinstance(value, list | Mapping):
        raise refused("E2003", pointer(place))  # empty: the library does not count it
    if isinstance(value, list):
        _check_list(value, place)
    elif isinstance(value, Mapping):
        _check_map(value, place, frozenset())
    elif isinstance(value, str):
        _check_text(value, place)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise refused("E2004", pointer(place), got=_named(value))
    elif type(value) not in _HARMLESS:
        raise refused("E2011", pointer(place), _odd(value))


def _check_list(values: list[Any], place: list[str | int]) -> None:
    kinds = set(map(type, values))
    if kinds <= _HARMLESS:
        return
    if kinds <= _NUMERIC and all(math.isfinite(value) for value in values if value is not None):
        return
    for index, value in enumerate(values):
        if type(value) not in _HARMLESS:
            _check_value(value, [*place, index])


def _check_text(text: str, place: list[str | int]) -> None:
    if "\x00" in text:
        raise refused("E2009", pointer(place))


def _named(value: float) -> str:
    """As other decoders call it."""
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _odd(value: Any) -> str:
    if isinstance(value, bytes):
        return "a byte string where the specification has none"
    return "undefined" if value is cbor2.undefined else "a simple value"
