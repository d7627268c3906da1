"""Diagnostics of nodes: lossy on purpose. The latest of each node are kept, for a while."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection

_SQL = queries("node_diag")

KEPT_A_NODE: Final = 1000
KEPT_FOR: Final = timedelta(days=30)
_AT_ONCE: Final = 5000


class DiagRow(Struct, frozen=True, kw_only=True):
    """One message: metrics by name, and lines of the log. `at` is the device's own time."""

    node_id: str
    received_at: datetime
    at: datetime | None
    boot: int | None
    metrics: dict[str, float | None]
    log: list[dict[str, Any]]


class StoredDiag(DiagRow, frozen=True, kw_only=True):
    """As stored; `id` continues a list."""

    id: int


async def keep(conn: Connection, rows: Sequence[DiagRow]) -> None:
    """Keep some. Part of a transaction."""
    if not rows:
        return
    values = [
        msgspec.structs.asdict(row)
        | {
            "metrics": msgspec.json.encode(row.metrics).decode(),
            "log": msgspec.json.encode(row.log).decode(),
        }
        for row in rows
    ]
    await conn.cursor().executemany(_SQL["keep"], values)


async def latest(
    conn: Connection, *, node_id: str, before: int = 2**63 - 1, limit: int = 100
) -> list[StoredDiag]:
    """A node's diagnostics with ids below `before`, newest first. The caller checked the scope."""
    values = {"node_id": node_id, "before": before, "limit": limit}
    async with conn.cursor(row_factory=class_row(StoredDiag)) as cursor:
        await cursor.execute(_SQL["latest"], values)
        return await cursor.fetchall()


async def prune_nodes(conn: Connection, node_ids: Iterable[str]) -> int:
    """Leave each of these nodes its latest; how many went, at most 5,000 a call."""
    values = {"node_id": sorted(node_ids), "kept": KEPT_A_NODE, "at_once": _AT_ONCE}
    return (await conn.execute(_SQL["prune_nodes"], values)).rowcount


async def prune_old(conn: Connection, *, now: datetime) -> int:
    """Forget what is older than 30 days; how many went, at most 5,000 a call."""
    values = {"before": now - KEPT_FOR, "at_once": _AT_ONCE}
    return (await conn.execute(_SQL["prune_old"], values)).rowcount
