"""Many readings or blocks of one batch of the feed as columns: what they share is said once.

Only the wire knows these: whoever reads the feed gets an item for each (`store.feed`). Times are in
milliseconds since 1970, `received` in microseconds.
"""

from datetime import timedelta
from typing import Final

from msgspec import Struct, field

_PARTS: Final = 4
_MICROSECOND: Final = timedelta(microseconds=1)


class Said(Struct, frozen=True, array_like=True, gc=False):
    """What many of them share."""

    device_id: int
    node_id: str
    kind: str
    patient_id: int | None
    flags: int
    clock: str
    who: str | None


class ReadingColumns(Struct, tag_field="item", tag="readings"):
    """New readings: the numbers of `of` that each one shares, and what is its own."""

    of: list[Said] = field(default_factory=list)
    which: list[int] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    ordinal: list[int] = field(default_factory=list)
    values: list[list[float | None]] = field(default_factory=list)
    received: list[int] = field(default_factory=list)


class BlockColumns(Struct, tag_field="item", tag="blocks"):
    """New blocks, likewise."""

    of: list[Said] = field(default_factory=list)
    which: list[int] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    part: list[int] = field(default_factory=list)
    step: list[int] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
