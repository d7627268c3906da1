"""What state a node is in: ready, sleeping, offline or lost, ordered by its connect counter."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from store.named import queries
from store.pool import Connection

_SQL = queries("node_state")


class StateRow(Struct, frozen=True, kw_only=True):
    """A state as said. `live`: said now, not kept by the broker for whoever subscribes."""

    node_id: str
    state: str
    con: int
    boot: int | None
    battery: int | None
    subs: dict[str, str]
    plan_revision: int | None
    state_at: datetime
    seen_at: datetime
    live: bool


async def take_over(conn: Connection, rows: Sequence[StateRow]) -> list[bool]:
    """Take over what is not older than what is known; one answer each. Part of a transaction."""
    if not rows:
        return []
    cursor = conn.cursor()
    await cursor.executemany(_SQL["take_over"], [_values(row) for row in rows], returning=True)
    taken = [cursor.rowcount == 1]
    while cursor.nextset():
        taken.append(cursor.rowcount == 1)
    return taken


def _values(row: StateRow) -> dict[str, Any]:
    restarted = row.live and row.state != "lost" and row.boot is not None
    subs = msgspec.json.encode(row.subs).decode()
    return msgspec.structs.asdict(row) | {"restarted": restarted, "subs": subs}


async def touch(conn: Connection, node_ids: Iterable[str], *, at: datetime) -> None:
    """Note that these nodes were heard of."""
    await conn.execute(_SQL["touch"], {"node_id": sorted(node_ids), "at": at})
