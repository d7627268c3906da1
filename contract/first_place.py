"""Where a message first goes too deep, or has a tag: its JSON pointer, found by the bytes.

Only run on what is refused, and only over the beginning of it: a flood of such messages costs
little. "" where the place is further on, or what comes before it cannot be read.
"""

import json
import re
from collections.abc import Iterator
from itertools import count
from typing import Final

from contract.pointer import pointer

_LOOKED_AT: Final = 4096  # bytes
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{},:]', re.DOTALL)
_OPEN: Final = (b"{", b"[")
_CLOSE: Final = (b"}", b"]")


def too_deep_in_json(payload: bytes, deepest: int) -> str:
    """The first object or array inside more than `deepest` others, itself counted."""
    steps: list[str | int] = []
    text = b""
    for found in _TOKEN.finditer(payload[:_LOOKED_AT]):
        token = found[0]
        if token in _OPEN:
            if len(steps) == deepest:
                return pointer(steps)
            steps.append("" if token == b"{" else 0)
        elif not steps:
            return ""
        elif token in _CLOSE:
            steps.pop()
        else:
            _step_on(steps, token, text)
            text = token
    return ""


def _step_on(steps: list[str | int], token: bytes, before: bytes) -> None:
    last = steps[-1]
    if token == b"," and isinstance(last, int):
        steps[-1] = last + 1
    elif token == b":" and isinstance(last, str):
        steps[-1] = _key(before)


def _key(token: bytes) -> str:
    try:
        key = str(json.loads(token, strict=False))
    except ValueError:
        key = token.decode("utf-8", "replace")
    return _sendable(key)


def _sendable(key: str) -> str:
    """No encoder takes half of a surrogate pair, no database a zero."""
    return key.encode("utf-8", "replace").decode().replace("\x00", "?")


# --- CBOR ---------------------------------------------------------------------------------------

_TEXT: Final = 3
_STRINGS: Final = (2, _TEXT)
_ARRAY: Final = 4
_MAP: Final = 5
_TAG: Final = 6
_NESTING: Final = (_ARRAY, _MAP, _TAG)
_BREAK: Final = 0xFF
_OPEN_LENGTH: Final = 31
_Steps = list[str | int]


class _FoundError(Exception):
    """The place that was looked for."""

    def __init__(self, steps: _Steps) -> None:
        super().__init__()
        self.steps = steps


def too_deep_in_cbor(payload: bytes, deepest: int) -> str:
    """As of JSON; a tag is a level too."""
    return _first(_Walk(payload, deepest, tags=False))


def tag_in_cbor(payload: bytes, deepest: int) -> str:
    """The first value with a tag; of a key with one, its map."""
    return _first(_Walk(payload, deepest, tags=True))


def _first(walk: "_Walk") -> str:
    try:
        walk.value([], 0)
    except _FoundError as found:
        return pointer(found.steps)
    except (IndexError, ValueError):
        return ""  # not to be read so far
    return ""


class _Walk:
    """One look over the items in the order of their bytes, never deeper than `deepest`."""

    def __init__(self, payload: bytes, deepest: int, *, tags: bool) -> None:
        self._payload = payload[:_LOOKED_AT]
        self._at = 0
        self._deepest = deepest
        self._tags = tags

    def value(self, steps: _Steps, depth: int) -> None:
        """Go over one item. Raises _FoundError, IndexError at the end of what is looked at, and
        ValueError for what is no item."""
        major, size = self._head()
        if (major == _TAG and self._tags) or (major in _NESTING and depth == self._deepest):
            raise _FoundError(steps)
        if major == _TAG:
            self.value(steps, depth + 1)
        elif major == _ARRAY:
            for index in self._entries(size):
                self.value([*steps, index], depth + 1)
        elif major == _MAP:
            for _ in self._entries(size):
                self.value([*steps, self._key(steps)], depth + 1)
        elif major in _STRINGS:
            self._string(size)

    def _key(self, steps: _Steps) -> str:
        major, size = self._head()
        if major == _TAG and self._tags:
            raise _FoundError(steps)
        if major != _TEXT:
            raise ValueError("a key that is no text")
        return _sendable(self._string(size).decode("utf-8", "replace"))

    def _head(self) -> tuple[int, int | None]:
        """The kind of an item and its length or value; None is an open length."""
        major, size = self._payload[self._at] >> 5, self._payload[self._at] & 0x1F
        self._at += 1
        if size < 24:
            return major, size
        if size == _OPEN_LENGTH and major in (*_STRINGS, _ARRAY, _MAP):
            return major, None
        if size > 27:
            raise ValueError("no such length")
        begun, self._at = self._at, self._at + (1 << (size - 24))
        return major, int.from_bytes(self._payload[begun : self._at], "big")

    def _entries(self, size: int | None) -> Iterator[int]:
        for index in count():
            if size is None and self._payload[self._at] == _BREAK:
                self._at += 1
                return
            if index == size:
                return
            yield index

    def _string(self, size: int | None) -> bytes:
        if size is None:
            return b"".join(self._string(self._head()[1]) for _ in self._entries(None))
        begun, self._at = self._at, self._at + size
        return self._payload[begun : self._at]
