"""Readings of the wrong person: moved to the right one, and what was moved taken back."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import AwareDatetime, Field

from care.api.deps import AssignsReadings, Db, Id, Limit, Me, Now, PatientInScope, note
from care.api.problem import PROBLEMS, missing, refused
from care.api.reading_ref import ReadingRef, ref_of
from care.api.shapes import Asked, DeviceName, Slot, Text, Told
from care.api.unassigned import MovedBody, NodeName, actor, must_see, told
from care.people import assigning
from care.people.assigning import Move, Reason
from store import device, reassign_query
from store.deed import Load, Place
from store.pool import Connection
from store.reassign_query import Known, Span

router = APIRouter(prefix="/api", tags=["unassigned"], responses=PROBLEMS)

SessionName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]


class SpanBody(Asked):
    """What a device measured in [since, until): of all slots, of one, or of one session."""

    node: NodeName
    device: DeviceName
    since: AwareDatetime
    until: AwareDatetime
    slot: Slot | None = None
    session: SessionName | None = None


class MoveReadings(Asked):
    """Readings by id, or a span of a device with its dense series and recordings; to another
    patient, to nobody here (`aside`), or, without both, back into the queue."""

    readings: list[ReadingRef] = Field(default=[], max_length=500)
    span: SpanBody | None = None
    to: int | None = Field(default=None, ge=1, le=2**63 - 1)
    aside: Reason | None = None
    note: Text = ""


class DeedBody(Told):
    """Something a person moved. `undone_by` is the deed that took it back."""

    id: int
    at: datetime
    by: str | None
    what: str
    from_patient_id: int | None
    to_patient_id: int | None
    aside: str | None
    note: str
    readings: int
    blocks: int
    chunks: int
    undone_by: int | None


class Deeds(Told):
    """Newest first."""

    reassignments: list[DeedBody]


@router.post(
    "/patients/{patient_id}/readings/move",
    operation_id="move_readings",
    response_model=MovedBody,
)
async def move_readings(
    asked: MoveReadings, person: PatientInScope, me: AssignsReadings, conn: Db, now: Now
) -> object:
    """Move readings that are not this patient's. Their episodes are worked out again, and so are
    those of whoever has the readings now. 409 when one of them is no longer this patient's:
    then nothing is moved.
    """
    if bool(asked.readings) == (asked.span is not None):
        raise refused(
            "Either readings or a span is moved.",
            "Send 'readings' with ids, or 'span', not both.",
            status=422,
            name="readings-or-span",
        )
    if asked.to == person.id or (asked.to and asked.aside):
        raise refused(
            "They go to another patient, or to nobody.",
            "Send 'to' with another patient's id, or 'aside', or neither.",
            status=422,
            name="where-to",
        )
    if asked.to is not None:
        await must_see(conn, me, asked.to)
    load = await _load(conn, person.id, asked)
    return told(await assigning.carry_out(conn, actor(me, now), _move(person.id, asked), load))


def _move(owner: int, asked: MoveReadings) -> Move:
    if asked.aside is not None:
        return assigning.set_aside(asked.aside, asked.note, owner=owner)
    return assigning.from_patient(owner, asked.to, asked.note)


async def _load(conn: Connection, owner: int, asked: MoveReadings) -> Load:
    """What is moved. A device that measured this patient is known to whoever sees the patient."""
    if asked.span is None:
        return Load([ref_of(text) for text in asked.readings])
    found = await device.find(conn, node_id=asked.span.node, dev=asked.span.device)
    if found is None:
        raise missing()
    span = Span(
        device_id=found.id,
        since=asked.span.since,
        until=asked.span.until,
        slots=None if asked.span.slot is None else (asked.span.slot,),
        session_id=asked.span.session,
    )
    return await assigning.span(conn, span, Place(owner))


@router.post("/reassignments/{deed_id}/undo", operation_id="undo_move", response_model=MovedBody)
async def undo_move(deed_id: Id, me: AssignsReadings, conn: Db, now: Now) -> object:
    """Take back what you moved, as a whole, once. 409 when something of it has moved on."""
    moved = await assigning.undo(conn, actor(me, now), deed_id)
    if moved is None:
        raise missing()
    return told(moved)


@router.get(
    "/patients/{patient_id}/reassignments",
    operation_id="list_reassignments",
    response_model=Deeds,
)
async def list_reassignments(
    person: PatientInScope, me: Me, conn: Db, now: Now, limit: Limit = 100
) -> object:
    """What people moved to and from this patient, newest first."""
    rows = await reassign_query.of_patient(conn, person.id, staff_id=me.staff_id, limit=limit)
    await note(conn, me, now, "view", "patient", person.id, what="reassignments")
    return {"reassignments": [_deed(row) for row in rows]}


def _deed(row: Known) -> DeedBody:
    return DeedBody(
        id=row.id,
        at=row.at,
        by=row.by,
        what=row.what,
        from_patient_id=row.from_patient_id,
        to_patient_id=row.to_patient_id,
        aside=row.to_aside,
        note=row.note,
        readings=row.readings,
        blocks=row.blocks,
        chunks=row.chunks,
        undone_by=row.undone_by,
    )
