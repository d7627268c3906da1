"""Which samples of a dense series are new beside what is there already. Pure.

A sample is known by its device, kind, part and instant, wherever a series was cut and whatever its
step. One that is there already with the same value is a duplicate; with another value, other flags
or another slot it contradicts, and the first to come stays. What is neither becomes blocks of its
own. A start that cannot be trusted says nothing of instants: there only the same start is the same.
"""

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from store.block import BlockRow

# No block lasts longer, so nobody has to look further back; a longer series becomes several.
REACH: Final = timedelta(days=2)
# Into more pieces no series is cut: rather is all of it told to contradict.
MOST_PIECES: Final = 64
_MICROSECOND: Final = timedelta(microseconds=1)
_UNTRUSTED: Final = "untrusted"


class Held(NamedTuple):
    """A block that is there already."""

    start_at: datetime
    step_ms: int
    samples: Sequence[float | None]
    flags: int
    who: str | None
    clock: str


class New(NamedTuple):
    """What of a row is to be stored, and whether some of it contradicts what is there."""

    pieces: list["BlockRow"]
    differs: bool


class Series:
    """The blocks of one series that a batch has made so far."""

    def __init__(self) -> None:
        self._blocks: list[tuple[datetime, int, Held]] = []
        self._longest = timedelta(0)

    def add(self, row: "BlockRow") -> None:
        """One more."""
        held = Held(row.start_at, row.step_ms, row.samples, row.flags, row.who, row.clock)
        insort(self._blocks, (row.start_at, len(self._blocks), held))
        self._longest = max(self._longest, end_of(row) - row.start_at)

    def near(self, row: "BlockRow") -> list[Held]:
        """Those that may have an instant of the row."""
        first = bisect_left(self._blocks, row.start_at - self._longest, key=_start)
        last = bisect_right(self._blocks, end_of(row), key=_start)
        return [held for _, _, held in self._blocks[first:last]]


def _start(block: tuple[datetime, int, Held]) -> datetime:
    return block[0]


def end_of(row: "BlockRow | Held") -> datetime:
    """The instant of the last sample."""
    return row.start_at + (len(row.samples) - 1) * row.step_ms * timedelta(milliseconds=1)


def cut(row: "BlockRow", held: Iterable[Held]) -> New:
    """What is new of a row."""
    taken = bytearray(len(row.samples))
    differs = False
    for block in held:
        same = (block.flags, block.who) == (row.flags, row.who)
        for mine, its in shared(row, block):
            taken[mine] = 1
            differs |= not same or _single(row.samples[mine]) != _single(block.samples[its])
    runs = list(_runs(taken, REACH // (row.step_ms * timedelta(milliseconds=1)) + 1))
    if any(taken) and len(runs) > MOST_PIECES:
        return New([], differs=True)
    whole = [(0, len(taken))]
    return New([row] if runs == whole else [_piece(row, *run) for run in runs], differs)


def shared(row: "BlockRow", block: Held) -> Iterator[tuple[int, int]]:
    """The places of the samples that both have, in the row and in the block."""
    if row.start_at != block.start_at and _UNTRUSTED in (row.clock, block.clock):
        return
    ahead = (block.start_at - row.start_at) // _MICROSECOND
    step, its_step = row.step_ms * 1000, block.step_ms * 1000
    first = max(0, -(ahead // its_step))
    last = min(len(block.samples) - 1, ((len(row.samples) - 1) * step - ahead) // its_step)
    for its in range(first, last + 1):
        mine, between = divmod(ahead + its * its_step, step)
        if not between:
            yield mine, its


def _single(value: float | None) -> float | None:
    """As the database keeps it."""
    return None if value is None else array("f", [value])[0]


def _runs(taken: bytearray, longest: int) -> Iterator[tuple[int, int]]:
    """From where to where nothing is taken, each not too long."""
    at = taken.find(0)
    while at >= 0:
        end = taken.find(1, at, at + longest)
        end = min(len(taken), at + longest) if end < 0 else end
        yield at, end
        at = taken.find(0, end)


def _piece(row: "BlockRow", first: int, end: int) -> "BlockRow":
    return msgspec.structs.replace(
        row,
        start_at=row.start_at + first * row.step_ms * timedelta(milliseconds=1),
        samples=row.samples[first:end],
        quality=None if row.quality is None else row.quality[first:end],
    )
