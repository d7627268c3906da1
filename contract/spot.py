"""Where a JSON pointer leads in a text: the part to point at, as a person reads the text.

Only run on what was refused or is looked at by somebody, so it may take its time.
"""

import json
import re
from typing import Any, Final, NamedTuple

_DECODER: Final = json.JSONDecoder(parse_int=str)  # no digits are too many to skip
_BLANK: Final = re.compile(r"[ \t\r\n]*")
_BYTE: Final = re.compile(r"byte (\d+)")


class Spot(NamedTuple):
    """Characters from `start` up to `end`. `exact` False: the place is not there, this is the
    nearest thing around it (a missing key has its object)."""

    start: int
    end: int
    exact: bool


class Place(NamedTuple):
    """A line and a column, both from 1, the column in characters."""

    line: int
    column: int


def find(text: str, pointer: str) -> Spot | None:
    """Where the pointer leads; None for a text that is not JSON that far."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    try:
        start = _skip(text, 0)
        found = 0
        for step in steps:
            inner = _entry(text, start, step)
            if inner is None:
                break
            start, found = inner, found + 1
        _, end = _DECODER.raw_decode(text, start)
    except (ValueError, IndexError, RecursionError):
        return None
    return Spot(start, end, found == len(steps))


def byte_named(message: str) -> int | None:
    """The offset in bytes that a message about broken syntax names."""
    found = _BYTE.match(message)
    return int(found[1]) if found else None


def place(text: str, at: int) -> Place:
    """The line and column of a character."""
    before = text[:at]
    return Place(before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1)


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _value(text: str, at: int) -> tuple[Any, int]:
    value, end = _DECODER.raw_decode(text, at)
    return value, _skip(text, end)


def _entry(text: str, at: int, step: str) -> int | None:
    """Where the entry `step` of the object or array that starts at `at` begins."""
    if text[at] == "{":
        return _of_object(text, at, step)
    return _of_array(text, at, step) if text[at] == "[" else None


def _of_object(text: str, at: int, wanted: str) -> int | None:
    found = None
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, at = _value(text, at)
        at = _skip(text, at + 1)  # the colon
        if key == wanted:
            found = at  # of a key written twice the last one holds
        at = _after(text, at)
    return found


def _of_array(text: str, at: int, wanted: str) -> int | None:
    at, number = _skip(text, at + 1), 0
    while text[at] != "]":
        if str(number) == wanted:
            return at
        at, number = _after(text, at), number + 1
    return None


def _after(text: str, at: int) -> int:
    """The start of the next entry, or the closing bracket."""
    _, at = _value(text, at)
    return _skip(text, at + 1) if text[at] == "," else at
