"""What is missing: /api/patients/{patient_id}/completeness and /api/nodes/{node_id}/gaps."""

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from care.api.deps import Db, Limit, Me, NodeInScope, Now, PatientInScope, note
from care.api.problem import PROBLEMS
from care.api.shapes import Told
from store import completeness, gap

router = APIRouter(prefix="/api", tags=["readings"], responses=PROBLEMS)

Number = Annotated[int, Query(ge=1, le=62, description="so many days up to today")]


class DayBody(Told):
    """One day in the patient's time zone. `expected` null: nothing was. `came` counts readings and
    blocks; `missing` counts messages of the devices that may still come, `lost` those that will
    not; `unclear` how often a device's count broke off (a restart, a jump), so that it is not known
    whether anything is missing. Not `over`: only what was due so far is expected."""

    on: date
    over: bool
    expected: int | None
    came: int
    missing: int
    lost: int
    unclear: int
    complete: bool


class Completeness(Told):
    """The latest day first. What lies between two messages is told on each day it may be of."""

    patient_id: int
    days: list[DayBody]


class GapBody(Told):
    """Numbers of one boot that did not come, both ends included, between two arrivals. `state`:
    found, asked, then came, lost (the node says they are gone), given_up (nobody knows), or jumped
    (the count broke off). `missing` of them may still come, `lost` will not."""

    id: int
    boot: int
    first: int
    last: int
    state: Literal["found", "asked", "came", "lost", "given_up", "jumped"]
    missing: int
    lost: int
    after_at: datetime | None
    before_at: datetime
    found_at: datetime
    asked_at: datetime | None
    attempts: int
    closed_at: datetime | None


class CountBody(Told):
    """One boot: looked at up to this number; `unfollowed` are missing beyond what is followed."""

    boot: int
    upto: int
    first_at: datetime
    unfollowed: int


class Gaps(Told):
    """The open gaps first, then those found last; the latest boot first. What a boot before the
    latest numbered after the last message that came is not known."""

    node_id: str
    gaps: list[GapBody]
    boots: list[CountBody]


@router.get(
    "/patients/{patient_id}/completeness",
    operation_id="read_completeness",
    response_model=Completeness,
)
async def read_completeness(
    person: PatientInScope, me: Me, conn: Db, now: Now, days: Number = 14
) -> object:
    """What was expected of each day, what came, and what is missing or lost."""
    rows = await completeness.days(conn, person.id, number=days, now=now)
    await note(conn, me, now, "view", "patient", person.id, what="completeness")
    return {"patient_id": person.id, "days": rows}


@router.get("/nodes/{node_id}/gaps", operation_id="list_gaps", response_model=Gaps)
async def list_gaps(found: NodeInScope, conn: Db, limit: Limit = 100) -> object:
    """What is missing of what a node counted, and what became of it."""
    rows = await gap.of_node(conn, found.id, limit=limit)
    counts = await gap.counts_of_node(conn, found.id)
    return {
        "node_id": found.id,
        "gaps": [_gap(row) for row in rows],
        "boots": [
            CountBody(
                boot=one.boot,
                upto=one.settled_to,
                first_at=one.first_at,
                unfollowed=one.unfollowed,
            )
            for one in counts
        ],
    }


def _gap(row: gap.Gap) -> dict[str, object]:
    plain = [name for name in GapBody.model_fields if name != "missing"]
    return {"missing": row.waited_for} | {name: getattr(row, name) for name in plain}
