"""Which numbers of a boot are missing for good reason to ask? Pure: `now` is given.

Messages overtake each other: events go on a connection of their own, and a backlog comes oldest
first, slowly, below what is live. So a hole counts as a gap only when for a quiet time neither its
upper edge nor anything below it has come. It does not matter in which order, in which batches or
how often the messages came: in the end the same numbers are missing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from store.gap import Hole, Island

# Message identities are forgotten after 60 days: what lies below one so old may have been there.
FORGETS: Final = timedelta(days=58)


class Look(Struct, frozen=True):
    """What a look at one boot gives. Everything up to `settled_to` is taken or in a hole; at
    `again_at` a hole that is too young now may be old enough; None: nothing waits."""

    settled_to: int
    holes: tuple[Hole, ...]
    again_at: datetime | None


def look(settled_to: int, islands: Sequence[Island], *, now: datetime, quiet: timedelta) -> Look:
    """Look at what came of a boot, rising, from `settled_to` on (-1: it was never looked at)."""
    first_time, holes = settled_to < 0, list[Hole]()
    below: Island | None = None
    newest_at = None
    for island in islands:
        if island.low > settled_to + 1:
            touched_at = max(island.low_at, newest_at or island.low_at)
            if now - touched_at < quiet:
                return Look(settled_to, tuple(holes), touched_at + quiet)
            after_at = below.high_at if below else None
            hole = Hole(settled_to + 1, island.low - 1, after_at, island.low_at)
            if not (first_time and below is None and now - island.low_at >= FORGETS):
                holes.append(hole)
        settled_to = max(settled_to, island.high)
        newest_at = max(newest_at or island.newest_at, island.newest_at)
        below = island
    return Look(settled_to, tuple(holes), None)
