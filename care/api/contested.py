"""One reading: everything it was, and which of several values holds."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from care.api.deps import AssignsReadings, Db, Me, Now, PatientInScope, note
from care.api.problem import PROBLEMS
from care.api.reading_ref import ReadingRef, ref_of
from care.api.shapes import Asked, Done, Told
from care.api.unassigned import actor
from care.people import choosing
from store import chosen, reassign_query

router = APIRouter(prefix="/api/patients/{patient_id}/readings", tags=["readings"],
                   responses=PROBLEMS)  # fmt: skip


class StepBody(Told):
    """What a reading was until then: `before` as stored. `by` is a person's name, null where the
    device itself corrected it."""

    at: datetime
    reason: str
    by: str | None
    before: dict[str, Any]
    reassignment: int | None
    note: str | None


class History(Told):
    """Oldest first."""

    reading: str
    steps: list[StepBody]


class Choice(Asked):
    """`conflict` is the id of the value beside it that holds; null: the stored one holds."""

    conflict: int | None = Field(ge=1, le=2**63 - 1)


@router.get("/{reading}/history", operation_id="read_history", response_model=History)
async def read_history(
    reading: ReadingRef, person: PatientInScope, me: Me, conn: Db, now: Now
) -> object:
    """What a reading of this patient was before corrections, choices and moves."""
    ref = ref_of(reading)
    await note(conn, me, now, "view", "patient", person.id, what="history")
    mine = await reassign_query.belongs(conn, ref, person.id)
    steps = await chosen.history(conn, ref) if mine else []
    return {
        "reading": reading,
        "steps": [
            StepBody(
                at=step.at,
                reason=step.reason,
                by=step.by,
                before={k: v for k, v in step.before.items() if k != "patient_id"},
                reassignment=step.reassignment_id,
                note=step.note,
            )
            for step in steps
        ],
    }


@router.post("/{reading}/choose", operation_id="choose_value", response_model=Done)
async def choose_value(
    reading: ReadingRef,
    asked: Choice,
    person: PatientInScope,
    me: AssignsReadings,
    conn: Db,
    now: Now,
) -> object:
    """Say which of the values that contradict each other holds. The others go to the history,
    and the rules look again. 409 when they do not contradict each other any more.
    """
    await choosing.choose(
        conn, actor(me, now), ref_of(reading), patient_id=person.id, other=asked.conflict
    )
    return Done(done=True, at=now)
