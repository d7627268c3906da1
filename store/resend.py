"""Asking a node for the messages of a gap (`store.gap`) once more, and what it answers.

A gap is due at its `ask_at`. While its node is away it waits without one; ingest's word that the
node is ready gives it one again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from store.gap import close_what_came
from store.message import KEPT_DAYS, Boot
from store.named import queries
from store.pool import Connection

_SQL = queries("resend")

Pair = tuple[int, int]


class Due(Struct, frozen=True, kw_only=True):
    """A gap to be asked for. `missing` are rising ranges, both ends included."""

    id: int
    node_id: str
    boot: int
    missing: list[Pair]
    asked_to: int | None
    attempts: int


async def park(conn: Connection, *, now: datetime) -> None:
    """Gaps that are due and whose node is not there wait until it is back."""
    await conn.execute(_SQL["park"], {"now": now})


async def node_is_back(conn: Connection, node_id: str, *, settling: timedelta) -> None:
    """The node may have come back: what it was not asked since then is due `settling` later."""
    await conn.execute(_SQL["back"], {"node_id": node_id, "settling": settling})


async def due(conn: Connection, *, now: datetime, limit: int) -> list[Due]:
    """Gaps to ask for now, the longest due first, held until the transaction ends."""
    cursor = await conn.execute(_SQL["due"], {"now": now, "limit": limit})
    return [
        Due(id=id_, node_id=node, boot=boot, missing=_pairs(missing), asked_to=to, attempts=tries)
        for id_, node, boot, missing, to, tries in await cursor.fetchall()
    ]


def _pairs(ranges: Multirange[int]) -> list[Pair]:
    return [(int(one.lower or 0), int(one.upper or 0) - 1) for one in ranges]


async def asked(
    conn: Connection,
    gap_id: int,
    *,
    asked_to: int | None,
    attempts: int,
    ask_at: datetime,
    now: datetime,
) -> None:
    """A part was asked for; `asked_to` None: that was the rest of it, a new turn is at `ask_at`."""
    values = {"id": gap_id, "asked_to": asked_to, "attempts": attempts, "ask_at": ask_at}
    await conn.execute(_SQL["asked"], values | {"now": now})


async def gone(conn: Connection, boot: Boot, said: Sequence[Pair], *, now: datetime) -> int:
    """The node says these ranges are gone: what has not come of them is lost; how many gaps."""
    await close_what_came(conn, [boot], now=now)
    ranges = Multirange([Range(low, high + 1) for low, high in said])
    values = {"node_id": boot.node_id, "boot": boot.boot, "said": ranges, "now": now}
    return (await conn.execute(_SQL["gone"], values)).rowcount


async def answered(conn: Connection, boot: Boot, *, now: datetime) -> None:
    """The node has answered: the rest of a long gap may be asked for."""
    values = {"node_id": boot.node_id, "boot": boot.boot, "now": now}
    await conn.execute(_SQL["answered"], values)


async def give_up(conn: Connection, gap_id: int, *, now: datetime) -> None:
    """Nobody asks for this gap any more."""
    await conn.execute(_SQL["give_up"], {"id": gap_id, "now": now})


async def give_up_node(conn: Connection, node_id: str, *, now: datetime) -> None:
    """The node cannot send anything again."""
    await conn.execute(_SQL["give_up_node"], {"node_id": node_id, "now": now})


async def give_up_old(conn: Connection, *, now: datetime) -> int:
    """Give up what no device keeps for so long; how many."""
    values = {"before": now - timedelta(days=KEPT_DAYS), "now": now}
    return (await conn.execute(_SQL["give_up_old"], values)).rowcount
