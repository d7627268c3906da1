"""What a node says of its own health: /api/nodes/{node_id}/diag. Never about a person."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from care.api.deps import Db, Limit, NodeInScope
from care.api.problem import PROBLEMS
from care.api.shapes import Told
from store import node_diag

router = APIRouter(prefix="/api", tags=["nodes"], responses=PROBLEMS)


class LogLine(Told):
    """One line of a device's log."""

    t: int | None = None
    lvl: str
    msg: str


class DiagBody(Told):
    """One message: metrics by name, lines of the log; `at` is the device's own time."""

    id: int
    received_at: datetime
    at: datetime | None
    boot: int | None
    metrics: dict[str, float | None]
    log: list[LogLine]


class Diagnostics(Told):
    """Newest first; `next_before` continues, null at the end."""

    node: str
    diag: list[DiagBody]
    next_before: int | None


@router.get("/nodes/{node_id}/diag", operation_id="list_diag", response_model=Diagnostics)
async def list_diag(
    found: NodeInScope,
    conn: Db,
    before: Annotated[int, Query(ge=1, le=2**63 - 1)] = 2**63 - 1,
    limit: Limit = 100,
) -> object:
    """A node's diagnostics: the latest 1,000 of the last 30 days are kept, and some get lost."""
    rows = await node_diag.latest(conn, node_id=found.id, before=before, limit=limit)
    return {
        "node": found.id,
        "diag": [
            DiagBody(
                id=row.id,
                received_at=row.received_at,
                at=row.at,
                boot=row.boot,
                metrics=row.metrics,
                log=[LogLine(**line) for line in row.log],
            )
            for row in rows
        ],
        "next_before": rows[-1].id if len(rows) == limit else None,
    }
