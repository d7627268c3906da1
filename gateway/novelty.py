"""Which records of a meter's memory are new, and the ordinal each keeps within its minute. Pure.

A meter has no record numbers: its memory is a list that shifts when it is full, and two records
of one minute can be byte for byte the same. Two facts decide. If the memory continues the one
read last time (its end is this one's beginning), what follows is new, whatever it looks like.
If it does not (the first contact, another user's memory, a cleared one), a frame is new as often
as it is there beyond the times it was seen before.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from gateway.drivers.driver import MeterRecord


class NewRecord(Struct, frozen=True):
    """A record to take, with its ordinal among those of its minute (0 is the first)."""

    record: MeterRecord
    ordinal: int


def overlap(before: Sequence[bytes], now: Sequence[bytes]) -> int:
    """How many frames at the end of `before` are the beginning of `now`."""
    longest = min(len(before), len(now))
    for length in range(longest, 0, -1):
        if list(before[-length:]) == list(now[:length]):
            return length
    return 0


def new_records(
    records: Sequence[MeterRecord],
    *,
    before: Sequence[bytes],
    seen: Mapping[bytes, int],
    next_ordinal: Callable[[MeterRecord], int],
) -> list[NewRecord]:
    """The records to take, oldest first.

    `records` and `before` are oldest first; `seen` counts each frame ever taken; `next_ordinal`
    says how many records of that record's minute were taken already.
    """
    fresh = _fresh(records, before, seen)
    taken: Counter[object] = Counter()
    result = []
    for record in fresh:
        result.append(NewRecord(record, next_ordinal(record) + taken[record.local]))
        taken[record.local] += 1
    return result


def _fresh(
    records: Sequence[MeterRecord], before: Sequence[bytes], seen: Mapping[bytes, int]
) -> list[MeterRecord]:
    known = overlap(before, [record.raw for record in records])
    if known:
        return list(records[known:])
    here: Counter[bytes] = Counter()
    fresh = []
    for record in records:
        here[record.raw] += 1
        if here[record.raw] > seen.get(record.raw, 0):
            fresh.append(record)
    return fresh
