"""Waveforms: which recordings there are of a patient, and one of them in physical units."""

from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query

from care.api.deps import Db, Id, Limit, Me, Now, PatientInScope, Since, Until, note
from care.api.problem import PROBLEMS, missing
from care.api.shapes import Number, Told, number
from contract import wave
from store import recording
from store.recording import Recording, StoredChunk

router = APIRouter(prefix="/api", tags=["waves"], responses=PROBLEMS)

# A page holds as many chunks as fit, and at least one.
VALUES_A_PAGE: Final = 200_000
_CHUNKS_A_PAGE: Final = 200

RecordingName = Annotated[str, Path(min_length=1, max_length=512, description="`ep` on the wire")]


class RecordingBody(Told):
    """One recording as far as it arrived. `complete`: its end is there and nothing is missing."""

    device_id: int
    recording: str
    kind: str
    patient_id: int | None
    node: str
    device: str | None
    model: str | None
    started_at: datetime
    ended_at: datetime
    clock: str
    hz: float
    channels: list[str]
    unit: str | None
    chunks: int
    last_chunk: int
    samples: int
    complete: bool
    received_at: datetime


class Recordings(Told):
    """Newest first. `until` of the next page is `next_until`, null when nothing is older."""

    patient_id: int
    recordings: list[RecordingBody]
    next_until: datetime | None


class ChunkBody(Told):
    """Samples every `period_ms` from `started_at` on, by channel, in `unit`; null is missing.

    As FHIR's SampledData: a value is `origin` + `factor` * the number that was sent.
    """

    chunk: int
    started_at: datetime
    clock: str
    claimed_at: datetime | None
    period_ms: float
    samples: int
    origin: float
    factor: float
    unit: str | None
    last: bool
    data: dict[str, list[Number | None]]


class RecordingPage(RecordingBody):
    """A recording with its samples. `next_chunk` continues; null at the end of what is there."""

    parts: list[ChunkBody]
    next_chunk: int | None


@router.get(
    "/patients/{patient_id}/recordings",
    operation_id="list_recordings",
    response_model=Recordings,
)
async def list_recordings(
    person: PatientInScope,
    me: Me,
    conn: Db,
    now: Now,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
) -> object:
    """A patient's recordings by their start, newest first, without the samples."""
    await note(conn, me, now, "view", "patient", person.id, what="recordings")
    rows = await recording.of_patient(
        conn, patient_id=person.id, since=since, until=until, limit=limit
    )
    return {
        "patient_id": person.id,
        "recordings": [body_of(row) for row in rows],
        "next_until": rows[-1].started_at if len(rows) >= limit else None,
    }


@router.get(
    "/recordings/{device_id}/{recording_name:path}",
    operation_id="read_recording",
    response_model=RecordingPage,
)
async def read_recording(
    device_id: Id,
    recording_name: RecordingName,
    me: Me,
    conn: Db,
    now: Now,
    from_chunk: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
) -> object:
    """The samples of one recording, chunk by chunk from `from_chunk` on."""
    found = await recording.find_visible(
        conn, device_id=device_id, recording=recording_name, staff_id=me.staff_id
    )
    if found is None:
        raise missing()
    await note(conn, me, now, "view", "recording", f"{device_id}/{recording_name}"[:200])
    rows = await recording.chunks(conn, found, since=from_chunk, limit=_CHUNKS_A_PAGE)
    fitting = _fitting(rows)
    more = len(fitting) < len(rows) or len(rows) == _CHUNKS_A_PAGE
    return RecordingPage(
        **_told(found),
        parts=[_part(row) for row in fitting],
        next_chunk=fitting[-1].chunk + 1 if more else None,
    )


def _fitting(rows: Sequence[StoredChunk]) -> Sequence[StoredChunk]:
    sizes = accumulate(row.samples * len(row.channels) for row in rows)
    return rows[: max(1, sum(1 for size in sizes if size <= VALUES_A_PAGE))]


def body_of(row: Recording) -> RecordingBody:
    """A recording without its samples."""
    return RecordingBody(**_told(row))


def _told(row: Recording) -> dict[str, Any]:
    said = {name: getattr(row, name) for name in Recording.__struct_fields__}
    said = {"node": said.pop("node_id"), "device": said.pop("dev"), **said}
    del said["closed"]
    return said | {"complete": row.complete}


def _part(row: StoredChunk) -> ChunkBody:
    columns = wave.values(
        row.data,
        encoding=row.encoding,
        channels=len(row.channels),
        scale=row.scale,
        zero=row.zero,
    )
    return ChunkBody(
        chunk=row.chunk,
        started_at=row.started_at,
        clock=row.clock,
        claimed_at=row.claimed_at,
        period_ms=1000 / row.hz,
        samples=row.samples,
        origin=row.zero,
        factor=row.scale,
        unit=row.unit,
        last=row.last,
        data={
            name: [number(value) for value in column]
            for name, column in zip(_names(row.channels), columns, strict=True)
        },
    )


def _names(channels: Sequence[str]) -> list[str]:
    """The channels as keys: a name used twice gets its place behind it."""
    return [
        name if channels.count(name) == 1 else f"{name}#{at}" for at, name in enumerate(channels)
    ]
