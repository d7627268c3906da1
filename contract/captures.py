"""A file cut into messages: one payload, JSON Lines, or what `mosquitto_sub -v` wrote."""

import json
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

_TOPIC: Final = b"hh/1/"
_CBOR_MAP: Final = range(0xA0, 0xC0)


class Capture(Struct, frozen=True, kw_only=True):
    """One message. `at` is where its payload begins in the file, in bytes."""

    at: int
    payload: bytes
    topic: str | None = None


def cut(content: bytes) -> list[Capture]:
    """The messages of a file, in order. Never raises: what cannot be cut is one message."""
    if content[:1] and content[0] in _CBOR_MAP:
        return [Capture(at=0, payload=content)]
    lines = [line for line in _lines(content) if line.payload.strip()]
    if lines and lines[0].payload.startswith(_TOPIC):
        return list(_subscribed(content, lines))
    if len(lines) > 1 and not _is_json(content) and _one_a_line(lines):
        return lines
    return [_trimmed(content)]


def _lines(content: bytes) -> Iterator[Capture]:
    at = 0
    for line in content.split(b"\n"):
        yield Capture(at=at, payload=line.removesuffix(b"\r"))
        at += len(line) + 1


def _one_a_line(lines: list[Capture]) -> bool:
    """A broken message over several lines goes on with a blank or a key, not with a brace."""
    return all(line.payload.startswith(b"{") for line in lines) or _is_json(lines[0].payload)


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True


def _trimmed(content: bytes) -> Capture:
    """The end of a line that an editor or `echo` put there is not part of the message."""
    return Capture(at=0, payload=content.removesuffix(b"\n").removesuffix(b"\r"))


def _subscribed(content: bytes, lines: list[Capture]) -> Iterator[Capture]:
    """Lines that begin with a topic begin a message; others go on with the one before."""
    starts = [line.at for line in lines if line.payload.startswith(_TOPIC)]
    for start, end in zip(starts, [*starts[1:], len(content) + 1], strict=True):
        topic, _, payload = content[start : end - 1].partition(b" ")
        yield Capture(
            at=start + len(topic) + 1,
            payload=payload.removesuffix(b"\n"),
            topic=topic.strip().decode("utf-8", "replace"),
        )
