"""What devices still send that a later version will not take: /api/deprecations."""

from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from care.api.deps import Db, Me, Now, note
from care.api.problem import PROBLEMS, missing
from care.api.shapes import Asked, Told
from store import deprecation, node

router = APIRouter(prefix="/api", tags=["rejects"], responses=PROBLEMS)

LOOK_BACK: Final = timedelta(days=30)


class Which(Asked):
    """Which uses."""

    node: str | None = Field(default=None, pattern=r"^[a-z0-9]{8,24}$")
    since: AwareDatetime | None = Field(default=None, description="sent since this instant")
    limit: int = Field(default=100, ge=1, le=1000, description="at most so many")


class UseBody(Told):
    """One use of one product and firmware; null: it had not said who it is.

    `detail` names what is deprecated and what to use; `place` has `*` for the entries of a list;
    `newest_node` sent it last.
    """

    maker: str | None
    model: str | None
    firmware: str | None
    code: str
    place: str
    detail: str
    times: int
    nodes: int
    first_at: datetime
    last_at: datetime
    newest_node: str


class Deprecations(Told):
    """By product, the latest first."""

    deprecations: list[UseBody]


@router.get("/deprecations", operation_id="list_deprecations", response_model=Deprecations)
async def list_deprecations(me: Me, conn: Db, now: Now, asked: Annotated[Which, Query()]) -> object:
    """What nodes in your scope still send that a later version will not take: it was kept, and each
    was told on its `fb` topic. Of the last 30 days unless `since` says otherwise; kept for 90."""
    if asked.node is not None:
        found = await node.find_visible(conn, node_id=asked.node, staff_id=me.staff_id)
        if found is None:
            raise missing()
    rows = await deprecation.lines(
        conn,
        staff_id=me.staff_id,
        since=asked.since or now - LOOK_BACK,
        node_id=asked.node,
        limit=asked.limit,
    )
    await note(conn, me, now, "list", "deprecations", asked.node or "", count=len(rows))
    return {"deprecations": rows}
