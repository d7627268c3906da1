"""Gaps: numbers a node gave to messages that did not come, and what became of them.

A gap is open until all of it has come (`came`), the node has said that the rest is gone for good
(`gone`), or nobody asks any longer (`given_up`). Data that comes later corrects every one of
these. A number lies in one gap at most: the schema sees to it. What an earlier boot numbered after
its last message that came cannot be known, so it is no gap.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from msgspec import Struct
from psycopg.rows import class_row

from store.message import KEPT_DAYS, Boot
from store.named import queries
from store.pool import Connection

_SQL = queries("gap")

# A wider hole is a count that jumped, not that many messages: told, but not asked for.
WIDEST: Final = 2**20
PIECES: Final = 200
# Of one node within a day; a node that leaves more is not followed any further.
MOST: Final = 100
# Messages of one boot at one look; a longer count is gone through in several.
AT_ONCE: Final = 2_000
_CAME_KEPT: Final = timedelta(days=30)
_LOST_KEPT: Final = timedelta(days=400)
_COUNT_KEPT: Final = timedelta(days=2 * KEPT_DAYS)


class Island(Struct, frozen=True):
    """An unbroken range of numbers that came; when its ends did, and the latest of it."""

    low: int
    high: int
    low_at: datetime
    high_at: datetime
    newest_at: datetime


class Hole(Struct, frozen=True):
    """Numbers that are missing, both ends included, and when their neighbours came."""

    low: int
    high: int
    after_at: datetime | None
    before_at: datetime

    @property
    def size(self) -> int:
        """How many numbers."""
        return self.high - self.low + 1


class Top(NamedTuple):
    """How far a count was looked at (-1: not at all), whether that was noted within a week, and its
    highest number now; None: none is left."""

    settled_to: int
    lately: bool
    highest: int | None


class Count(Struct, frozen=True):
    """What one look at one boot showed: all up to `settled_to` is taken, or a hole."""

    boot: Boot
    settled_to: int
    first_at: datetime
    holes: tuple[Hole, ...] = ()


class Gap(Struct, frozen=True, kw_only=True):
    """One gap as people see it. `missing` counts the numbers that have not come and are not known
    to be gone, `gone` those that are."""

    id: int
    boot: int
    first: int
    last: int
    missing: int
    gone: int
    after_at: datetime | None
    before_at: datetime
    found_at: datetime
    asked_at: datetime | None
    attempts: int
    closed_at: datetime | None
    how: str | None
    recounted: bool

    @property
    def state(self) -> str:
        """`found`, `asked`, then `came`, `lost` (said to be gone), `given_up` (nobody knows), or
        `jumped`: the count broke off, so it is not known whether anything is missing."""
        if self.recounted or self.last - self.first >= WIDEST:
            return "jumped"
        if self.how is None:
            return "found" if self.asked_at is None else "asked"
        return "lost" if self.how == "gone" else self.how

    @property
    def lost(self) -> int:
        """How many messages are lost, as far as anybody knows."""
        if self.state == "jumped":
            return 0
        return self.gone + (self.missing if self.closed_at else 0)

    @property
    def waited_for(self) -> int:
        """How many may still come."""
        return 0 if self.closed_at else self.missing


class Counted(Struct, frozen=True, kw_only=True):
    """One boot of a node: how far it was looked at, and what nobody follows."""

    boot: int
    settled_to: int
    first_at: datetime
    looked_at: datetime
    unfollowed: int


def _columns(boots: Iterable[Boot]) -> dict[str, object]:
    listed = sorted(boots)
    return {"node_id": [one.node_id for one in listed], "boot": [one.boot for one in listed]}


# --- finding ----------------------------------------------------------------------------------


async def sweep(conn: Connection, after: Boot, *, limit: int) -> list[tuple[Boot, bool]]:
    """The next counts there are, each with whether it is worth a look. Empty: that was all."""
    values = {"node_id": after.node_id, "boot": after.boot, "limit": limit}
    cursor = await conn.execute(_SQL["sweep"], values)
    return [(Boot(node, boot), worth) for node, boot, worth in await cursor.fetchall()]


async def tops(conn: Connection, boots: Collection[Boot], *, now: datetime) -> dict[Boot, Top]:
    """How far these counts were looked at. A node the hub does not know has none."""
    values = _columns(boots) | {"lately": now - timedelta(days=7)}
    cursor = await conn.execute(_SQL["tops"], values)
    return {Boot(n, b): Top(to, lately, top) for n, b, to, lately, top in await cursor.fetchall()}


async def islands(conn: Connection, since: dict[Boot, int]) -> dict[Boot, list[Island]]:
    """What came of each count from a number on, rising; a long one only in part."""
    columns = _columns(since)
    values = columns | {"since": [since[boot] for boot in sorted(since)], "limit": AT_ONCE}
    found: defaultdict[Boot, list[Island]] = defaultdict(list)
    cursor = await conn.execute(_SQL["islands"], values)
    for node, boot, *island in await cursor.fetchall():
        found[Boot(node, boot)].append(Island(*island))
    return found


async def count_anew(conn: Connection, boots: Collection[Boot], *, now: datetime) -> None:
    """These boots are counted from the beginning again: their numbers mean something else now."""
    await conn.execute(_SQL["count_anew"], _columns(boots) | {"now": now})


async def close_what_came(conn: Connection, boots: Collection[Boot], *, now: datetime) -> int:
    """Shrink and close the gaps of these counts by what has come; how many changed."""
    columns = _columns(boots)
    cursor = await conn.execute(_SQL["came"], columns | {"now": now})
    if cursor.rowcount:
        await conn.execute(
            _SQL["give_up_pieces"],
            {"node_id": columns["node_id"], "pieces": PIECES, "now": now},
        )
    return cursor.rowcount


async def note(conn: Connection, counts: Sequence[Count], *, now: datetime) -> int:
    """Keep what was found, in bounds for each node; how many gaps are new.

    Beyond `MOST` in a day a node's missing numbers are only counted.
    """
    room = await _room(conn, {one.boot.node_id for one in counts if one.holes}, now)
    kept: list[tuple[Boot, Hole]] = []
    unfollowed = []
    for one in counts:
        left = room.get(one.boot.node_id, 0)
        kept += [(one.boot, hole) for hole in one.holes[:left]]
        room[one.boot.node_id] = max(0, left - len(one.holes))
        unfollowed.append(min(sum(hole.size for hole in one.holes[left:]), 2**53))
    new = await _insert(conn, kept, now) if kept else 0
    values = {
        "node_id": [one.boot.node_id for one in counts],
        "boot": [one.boot.boot for one in counts],
        "settled_to": [one.settled_to for one in counts],
        "first_at": [one.first_at for one in counts],
        "unfollowed": unfollowed,
        "now": now,
    }
    await conn.execute(_SQL["watched"], values)
    return new


async def _room(conn: Connection, nodes: set[str], now: datetime) -> dict[str, int]:
    if not nodes:
        return {}
    values = {"node_id": sorted(nodes), "since": now - timedelta(days=1)}
    cursor = await conn.execute(_SQL["room"], values)
    used = dict(await cursor.fetchall())
    return {node: max(0, MOST - used.get(node, 0)) for node in nodes}


async def _insert(conn: Connection, kept: Sequence[tuple[Boot, Hole]], now: datetime) -> int:
    values = {
        "node_id": [boot.node_id for boot, _ in kept],
        "boot": [boot.boot for boot, _ in kept],
        "low": [hole.low for _, hole in kept],
        "high": [hole.high for _, hole in kept],
        "after_at": [hole.after_at for _, hole in kept],
        "before_at": [hole.before_at for _, hole in kept],
        "widest": WIDEST,
        "now": now,
    }
    return (await conn.execute(_SQL["found"], values)).rowcount


async def open_boots(conn: Connection, boots: Collection[Boot]) -> set[Boot]:
    """Which of these counts have open gaps."""
    cursor = await conn.execute(_SQL["open_boots"], _columns(boots))
    return {Boot(node, boot) for node, boot in await cursor.fetchall()}


async def open_gaps(conn: Connection) -> int:
    """How many gaps are open."""
    row = await (await conn.execute(_SQL["open"])).fetchone()
    return int(row[0]) if row else 0


async def prune(conn: Connection, *, now: datetime) -> None:
    """Forget what says nothing any more."""
    before = {"came_before": now - _CAME_KEPT, "lost_before": now - _LOST_KEPT}
    await conn.execute(_SQL["prune"], before)
    await conn.execute(_SQL["prune_counts"], {"before": now - _COUNT_KEPT})


# --- showing ----------------------------------------------------------------------------------


async def of_node(conn: Connection, node_id: str, *, limit: int = 100) -> list[Gap]:
    """A node's gaps, the open ones first, then those found last."""
    async with conn.cursor(row_factory=class_row(Gap)) as cursor:
        await cursor.execute(_SQL["of_node"], {"node_id": node_id, "limit": limit})
        return await cursor.fetchall()


async def counts_of_node(conn: Connection, node_id: str, *, limit: int = 20) -> list[Counted]:
    """A node's boots, the latest first."""
    async with conn.cursor(row_factory=class_row(Counted)) as cursor:
        await cursor.execute(_SQL["counts_of_node"], {"node_id": node_id, "limit": limit})
        return await cursor.fetchall()
