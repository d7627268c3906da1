"""Recordings that nobody owns yet: which they are, and giving one to somebody."""

from fastapi import APIRouter
from pydantic import Field

from care.api.deps import AssignsReadings, Db, Limit, Me, Now, note
from care.api.problem import PROBLEMS
from care.api.shapes import Asked, DeviceName, Told
from care.api.unassigned import MovedBody, NodeName, actor, device_of, must_see, told
from care.api.waves import RecordingBody, body_of
from care.people import assigning
from store import reassign_query, recording

router = APIRouter(prefix="/api", tags=["unassigned"], responses=PROBLEMS)


class WaitingRecordings(Told):
    """Newest first, each as far as it waits."""

    recordings: list[RecordingBody]


class AssignRecording(Asked):
    """What waits of one recording of a device is this patient's."""

    node: NodeName
    device: DeviceName
    recording: str = Field(min_length=1, max_length=512, description="`ep` on the wire")
    patient_id: int = Field(ge=1, le=2**63 - 1)


@router.get(
    "/unassigned/recordings",
    operation_id="list_waiting_recordings",
    response_model=WaitingRecordings,
)
async def list_waiting_recordings(me: Me, conn: Db, now: Now, limit: Limit = 100) -> object:
    """Recordings nobody owns yet, of the nodes in your scope. Their samples are read as those of
    any other: GET /api/recordings/{device_id}/{recording}.
    """
    rows = await recording.waiting(conn, staff_id=me.staff_id, limit=limit)
    await note(conn, me, now, "list", "unassigned", "", recordings=len(rows))
    return {"recordings": [body_of(row) for row in rows]}


@router.post(
    "/unassigned/assign-recording", operation_id="assign_recording", response_model=MovedBody
)
async def assign_recording(
    asked: AssignRecording, me: AssignsReadings, conn: Db, now: Now
) -> object:
    """Give what waits of a recording to a patient. 409 when nothing of it waits (any more)."""
    await must_see(conn, me, asked.patient_id)
    device_id = await device_of(conn, me, asked.node, asked.device)
    load = await reassign_query.of_recording(conn, device_id, asked.recording)
    move = assigning.to_patient(asked.patient_id)
    return told(await assigning.carry_out(conn, actor(me, now), move, load))
