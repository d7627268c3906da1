"""What makes a reading the same reading, however often and in which message it is delivered.

The identity of a row is (device, kind, measured time, ordinal). The ordinal is the device's
record number, or 0. A further sample at the same instant of the same series counts up above the
record number's bits. A reading placed by its time of arrival, which differs with every delivery,
gets a negative ordinal made of (boot, seq, series, sample) unless it has a record number: it
collides with no other reading, and the identity of its message (node, boot, seq) keeps it single.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

RECORD_BITS: Final = 47


class Sample(NamedTuple):
    """One sample of a series: its number, offset in ms, and whether its time is the device's."""

    number: int
    offset: int
    anchored: bool


def ordinals(
    samples: Sequence[Sample], *, record: int | None, place: tuple[int, int, int]
) -> list[int]:
    """The ordinals of the samples of one series; `place` is (boot, seq, series)."""
    offsets = {sample.offset for sample in samples}
    if len(offsets) == len(samples) and all(sample.anchored for sample in samples):
        return [record or 0] * len(samples)
    seen: dict[int, int] = {}
    found = []
    for sample in samples:
        again = seen.get(sample.offset, 0)
        seen[sample.offset] = again + 1
        if record is None and not sample.anchored:
            found.append(_by_place((*place, sample.number)))
        else:
            found.append((again << RECORD_BITS) + (record or 0))
    return found


def record_of(ordinal: int) -> int | None:
    """The device's own record number in an ordinal; None where it said none."""
    return ordinal & ((1 << RECORD_BITS) - 1) or None if ordinal > 0 else None


def _by_place(place: tuple[int, int, int, int]) -> int:
    """62 bits of a hash, below zero: no record number and no count is ever negative."""
    digest = hashlib.blake2b(repr(place).encode(), digest_size=8).digest()
    return -1 - (int.from_bytes(digest, "big") >> 2)
