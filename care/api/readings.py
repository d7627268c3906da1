"""What was measured: readings and dense series."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from care.api import reading_view
from care.api.deps import Db, Limit, Me, Now, PatientInScope, Since, Until, note
from care.api.problem import PROBLEMS
from care.api.reading_view import BlockBody, ReadingBody
from care.api.shapes import Told
from store import reading_query

router = APIRouter(prefix="/api", tags=["readings"], responses=PROBLEMS)

Kind = Annotated[
    str | None, Query(pattern=r"^[a-z0-9_]{1,32}$", description="such as bp, spo2, wt")
]


class Readings(Told):
    """Newest first. `until` of the next page is `next_until`, null when nothing is older."""

    patient_id: int
    readings: list[ReadingBody]
    next_until: datetime | None


class Blocks(Told):
    """Newest first. `until` of the next page is `next_until`, null when nothing is older."""

    patient_id: int
    blocks: list[BlockBody]
    next_until: datetime | None


@router.get(
    "/patients/{patient_id}/readings", operation_id="list_readings", response_model=Readings
)
async def list_readings(
    person: PatientInScope,
    me: Me,
    conn: Db,
    now: Now,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
) -> object:
    """A patient's readings by measured time, newest first. Readings of one instant stay
    together, so a page may hold a few more than `limit`.
    """
    await note(conn, me, now, "view", "patient", person.id, what="readings")
    rows = await reading_query.readings(
        conn, patient_id=person.id, kind=kind, since=since, until=until, limit=limit
    )
    others = await reading_query.conflicts(conn, rows)
    return {
        "patient_id": person.id,
        "readings": [reading_view.reading(row, others.get(row.identity, [])) for row in rows],
        "next_until": rows[-1].measured_at if len(rows) >= limit else None,
    }


@router.get("/patients/{patient_id}/blocks", operation_id="list_blocks", response_model=Blocks)
async def list_blocks(
    person: PatientInScope,
    me: Me,
    conn: Db,
    now: Now,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
) -> object:
    """A patient's dense series by start, newest first."""
    await note(conn, me, now, "view", "patient", person.id, what="blocks")
    rows = await reading_query.blocks(
        conn, patient_id=person.id, kind=kind, since=since, until=until, limit=limit
    )
    return {
        "patient_id": person.id,
        "blocks": [reading_view.block(row) for row in rows],
        "next_until": rows[-1].start_at if len(rows) >= limit else None,
    }
