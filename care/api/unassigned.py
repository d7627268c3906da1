"""What nobody owns yet: the queue, giving it to somebody, setting it aside."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from care.api import reading_view
from care.api.deps import AssignsReadings, Db, Limit, Me, Now, note
from care.api.problem import PROBLEMS, missing
from care.api.reading_ref import PATTERN, ReadingRef, ref_of, text_of
from care.api.reading_view import ReadingBody
from care.api.shapes import Asked, DeviceName, Number, Slot, Text, Told, number
from care.people import assigning, queue
from care.people.assigning import Actor, Reason
from care.people.queue import Question
from care.people.sign_in import SignedIn
from care.people.undecided import Why
from contract.vitals import VITALS
from store import device, node, patient, reading_query, unassigned
from store.deed import WAITING, Load
from store.pool import Connection
from store.reassign import Moved
from store.reassign_query import Span
from store.unassigned import Usual, Which

router = APIRouter(prefix="/api", tags=["unassigned"], responses=PROBLEMS)

NodeName = Annotated[str, Field(pattern=r"^[a-z0-9]{8,24}$")]
Refs = Annotated[list[ReadingRef], Field(min_length=1, max_length=500)]


class UsualBody(Told):
    """Medians of somebody's newest readings of the kind, and of how many."""

    values: dict[str, Number]
    times: int


class CandidateBody(Told):
    """Somebody it may be of. `bound`: the device measures them, or measured them then."""

    patient_id: int
    name: str
    bound: bool
    usual: UsualBody | None


class UnassignedBody(ReadingBody):
    """A reading without a patient: why nobody could decide, and whom it may be of, the likeliest
    first."""

    why: Why
    candidates: list[CandidateBody]


class UnassignedReadings(Told):
    """What waits to be assigned, newest first; `next_before` continues, null at the end."""

    readings: list[UnassignedBody]
    next_before: str | None


class Part(Asked):
    """Which part of the queue."""

    node: NodeName | None = None
    device: DeviceName | None = None
    slot: Slot | None = Field(default=None, description="A to H; empty: the device named none")
    before: str | None = Field(default=None, pattern=PATTERN, description="older than this one")
    limit: int = Field(default=100, ge=1, le=1000, description="at most so many")


class Assign(Asked):
    """All of these readings are this patient's, or nothing is changed."""

    readings: Refs
    patient_id: int = Field(ge=1, le=2**63 - 1)


class SetAside(Asked):
    """Nobody here was measured: they wait no longer."""

    readings: Refs
    reason: Reason
    note: Text = ""


class HeapBody(Told):
    """What waits under one slot of a device. `patient_id`: whom that slot measures now, which
    says nothing of who was measured then."""

    node: str
    device: str
    slot: str
    readings: int
    blocks: int
    first_at: datetime
    last_at: datetime
    patient_id: int | None


class Heaps(Told):
    """By device and slot, the newest first."""

    heaps: list[HeapBody]


class AssignHeap(Asked):
    """What waits under a slot of a device, measured in [since, until), is this patient's."""

    node: NodeName
    device: DeviceName
    slot: Slot
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    patient_id: int = Field(ge=1, le=2**63 - 1)


class MovedBody(Told):
    """What was moved. POST /api/reassignments/{id}/undo takes it back as a whole."""

    id: int
    readings: int
    blocks: int
    chunks: int


def actor(me: SignedIn, now: datetime) -> Actor:
    """Who asks, as deeds name them."""
    return Actor(staff_id=me.staff_id, address=me.address, at=now)


def told(moved: Moved) -> MovedBody:
    """The deed without what the feed hears."""
    return MovedBody.model_validate(moved, from_attributes=True)


async def must_see(conn: Connection, me: SignedIn, patient_id: int) -> None:
    """Raises the 404 of what is not there for a patient out of scope."""
    found = await patient.find_visible(conn, patient_id=patient_id, staff_id=me.staff_id)
    if found is None or found.archived_at is not None:
        raise missing()


async def device_of(conn: Connection, me: SignedIn, node_id: str, dev: str) -> int:
    """The device's number; the 404 for one that is not there, or out of scope."""
    seen = await node.find_visible(conn, node_id=node_id, staff_id=me.staff_id)
    found = await device.find(conn, node_id=node_id, dev=dev) if seen else None
    if found is None:
        raise missing()
    return found.id


@router.get("/unassigned", operation_id="list_unassigned", response_model=UnassignedReadings)
async def list_unassigned(me: Me, conn: Db, now: Now, asked: Annotated[Part, Query()]) -> object:
    """Readings nobody owns yet, of the nodes in your scope, newest first: why nobody could
    decide whose they are, and who may have been measured with what is usual for them.
    """
    which = Which(
        node_id=asked.node,
        dev=asked.device,
        slot=asked.slot,
        before=ref_of(asked.before) if asked.before else None,
    )
    found = await queue.questions(
        conn, staff_id=me.staff_id, which=which, now=now, limit=asked.limit
    )
    rows = [one.reading for one in found]
    others = await reading_query.conflicts(conn, rows)
    await note(conn, me, now, "list", "unassigned", "", count=len(rows))
    return {
        "readings": [_question(one, others.get(one.reading.identity, [])) for one in found],
        "next_before": text_of(*rows[-1].identity) if len(rows) == asked.limit else None,
    }


def _question(one: Question, others: list[reading_query.Conflict]) -> UnassignedBody:
    people = [
        CandidateBody(
            patient_id=person.patient_id,
            name=person.name,
            bound=person.bound,
            usual=_usual(one.usual.get(person.patient_id)),
        )
        for person in one.candidates
    ]
    body = dict(reading_view.reading(one.reading, others))
    return UnassignedBody(**body, why=one.why, candidates=people)


def _usual(row: Usual | None) -> UsualBody | None:
    if row is None:
        return None
    vital = VITALS.get(row.kind)
    names = [part.key for part in vital.parts] if vital else ["v0", "v1", "v2", "v3"]
    known = {name: number(value) for name, value in zip(names, row.values, strict=False)}
    values = {name: value for name, value in known.items() if value is not None}
    return UsualBody(values=values, times=row.times)


@router.post("/unassigned/assign", operation_id="assign_readings", response_model=MovedBody)
async def assign_readings(asked: Assign, me: AssignsReadings, conn: Db, now: Now) -> object:
    """Give waiting readings to a patient. 409 when one of them waits no longer: then none is
    given. The patient's rules look at them as of now, late readings as late ones.
    """
    await must_see(conn, me, asked.patient_id)
    load = Load([ref_of(text) for text in asked.readings])
    move = assigning.to_patient(asked.patient_id)
    return told(await assigning.carry_out(conn, actor(me, now), move, load))


@router.post("/unassigned/set-aside", operation_id="set_readings_aside", response_model=MovedBody)
async def set_readings_aside(asked: SetAside, me: AssignsReadings, conn: Db, now: Now) -> object:
    """Take waiting readings out of the queue: nobody here was measured. They are kept, and an
    alarm they have raised on the device stays open for a person to close.
    """
    load = Load([ref_of(text) for text in asked.readings])
    move = assigning.set_aside(asked.reason, asked.note)
    return told(await assigning.carry_out(conn, actor(me, now), move, load))


@router.get("/unassigned/slots", operation_id="list_waiting_slots", response_model=Heaps)
async def list_waiting_slots(
    me: Me,
    conn: Db,
    now: Now,
    node_id: Annotated[str | None, Query(alias="node", pattern=r"^[a-z0-9]{8,24}$")] = None,
    limit: Limit = 100,
) -> object:
    """What waits by device and slot, with whom that slot measures now. Binding a slot gives
    nothing of it to anybody by itself: POST /api/unassigned/assign-slot does, from a date on.
    """
    rows = await unassigned.heaps(conn, staff_id=me.staff_id, now=now, node_id=node_id, limit=limit)
    await note(conn, me, now, "list", "unassigned", node_id or "", slots=len(rows))
    heaps = [
        HeapBody(
            node=row.node_id,
            device=row.dev,
            slot=row.slot,
            readings=row.readings,
            blocks=row.blocks,
            first_at=row.first_at,
            last_at=row.last_at,
            patient_id=row.patient_id,
        )
        for row in rows
    ]
    return {"heaps": heaps}


@router.post("/unassigned/assign-slot", operation_id="assign_slot", response_model=MovedBody)
async def assign_slot(asked: AssignHeap, me: AssignsReadings, conn: Db, now: Now) -> object:
    """Give what waits under one slot of a device to a patient: readings and dense series. 409
    when nothing waits there, 422 when it is too much for one time.
    """
    await must_see(conn, me, asked.patient_id)
    span = Span(
        device_id=await device_of(conn, me, asked.node, asked.device),
        since=asked.since or reading_query.BEGINNING,
        until=asked.until or reading_query.END,
        slots=(asked.slot,),
    )
    load = await assigning.span(conn, span, WAITING)
    move = assigning.to_patient(asked.patient_id)
    return told(await assigning.carry_out(conn, actor(me, now), move, load))
