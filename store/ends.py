"""Until when each dense series is stored, as far as one turn of ingest knows: what begins later
overlaps nothing, and nobody has to look for it.

Too late an end only costs a look. Learnt and used under the feed's lock, where everybody else has
committed; `note` is for whoever will write another way, before it begins.
"""

from typing import TYPE_CHECKING, Final

from contract.instants import to_millis
from store.overlap import end_of

if TYPE_CHECKING:
    from store.block import BlockRow
    from store.feed_columns import BlockColumns

_MOST: Final = 1_000_000

Key = tuple[int, str, int]  # device, kind, part


class Ends:
    """Times are in milliseconds since 1970."""

    def __init__(self) -> None:
        self._ends: dict[Key, int] = {}
        # Of series not known yet.
        self._noted: dict[Key, int] = {}

    def note(self, row: "BlockRow") -> None:
        """This may be stored soon."""
        key, end = (row.device_id, row.kind, row.part), to_millis(end_of(row)) + 1
        known = self._ends if key in self._ends else self._noted
        known[key] = max(end, known.get(key, end))

    def take(self, columns: "BlockColumns") -> tuple[list[int], dict[Key, int]]:
        """What was stored: the places of those that may overlap something, and of one block, the
        earliest, of each series that is not known yet."""
        look: list[int] = []
        unknown: dict[Key, int] = {}
        ends, of = self._ends, columns.of
        own = (columns.which, columns.at, columns.part, columns.step, columns.samples)
        for n, (which, at, part, step, samples) in enumerate(zip(*own, strict=True)):
            said = of[which]
            key = (said.device_id, said.kind, part)
            end = ends.get(key)
            if end is None or at <= end:
                look.append(n)
            if end is None:
                first = unknown.setdefault(key, n)
                unknown[key] = n if at < columns.at[first] else first
            else:
                ends[key] = max(end, at + step * (samples - 1))
        return look, unknown

    def learn(self, key: Key, end: int) -> None:
        """A series is stored until then."""
        if len(self._ends) >= _MOST:
            self._ends.clear()
        self._ends[key] = max(end, self._noted.pop(key, end))
