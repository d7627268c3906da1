"""Reading recordings: which there are of a patient, and the chunks of one.

The caller has checked that a patient may be seen; a recording by its own name takes the staff id.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection
from store.reading_query import BEGINNING, END

_SQL = queries("recording")


class Recording(Struct, frozen=True, kw_only=True):
    """One recording as far as it arrived: `chunks` of it, up to number `last_chunk`.

    `closed`: the chunk that ends it is there. Complete is what is closed and has no chunk missing.
    """

    device_id: int
    recording: str
    kind: str
    patient_id: int | None
    node_id: str
    dev: str | None
    model: str | None
    started_at: datetime
    ended_at: datetime
    hz: float
    channels: list[str]
    unit: str | None
    clock: str
    chunks: int
    last_chunk: int
    samples: int
    closed: bool
    received_at: datetime

    @property
    def complete(self) -> bool:
        """Every chunk is there."""
        return self.closed and self.chunks == self.last_chunk + 1


class WaitingRecording(Recording, frozen=True, kw_only=True):
    """What there is of a recording that nobody owns yet."""

    node_label: str
    time_zone: str


class StoredChunk(Struct, frozen=True, kw_only=True):
    """One chunk as it came (encodings: contract.wave)."""

    chunk: int
    started_at: datetime
    clock: str
    claimed_at: datetime | None
    hz: float
    samples: int
    channels: list[str]
    encoding: str
    scale: float
    zero: float
    unit: str | None
    last: bool
    data: bytes


async def of_patient(
    conn: Connection,
    *,
    patient_id: int,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
) -> list[Recording]:
    """A patient's recordings with a chunk started in [since, until), newest first."""
    values = {
        "patient_id": patient_id,
        "since": since or BEGINNING,
        "until": until or END,
        "limit": limit,
    }
    return await _recordings(conn, "of_patient", values)


async def waiting(conn: Connection, *, staff_id: int, limit: int = 100) -> list[WaitingRecording]:
    """Recordings of nobody yet, of nodes in this person's scope, newest first."""
    async with conn.cursor(row_factory=class_row(WaitingRecording)) as cursor:
        await cursor.execute(_SQL["waiting"], {"staff_id": staff_id, "limit": limit})
        return await cursor.fetchall()


async def find_visible(
    conn: Connection, *, device_id: int, recording: str, staff_id: int
) -> Recording | None:
    """One recording as far as this person may see it; None alike for none and somebody else's."""
    values = {"device_id": device_id, "recording": recording, "staff_id": staff_id}
    found = await _recordings(conn, "find_visible", values)
    return found[0] if found else None


async def chunks(
    conn: Connection, of: Recording, *, since: int = 0, limit: int = 20
) -> Sequence[StoredChunk]:
    """The chunks of a recording from number `since` on, of the same patient, in order."""
    values = {
        "device_id": of.device_id,
        "recording": of.recording,
        "patient_id": of.patient_id,
        "since": since,
        "limit": limit,
    }
    async with conn.cursor(row_factory=class_row(StoredChunk)) as cursor:
        await cursor.execute(_SQL["chunks"], values)
        return await cursor.fetchall()


async def _recordings(conn: Connection, name: str, values: dict[str, Any]) -> list[Recording]:
    async with conn.cursor(row_factory=class_row(Recording)) as cursor:
        await cursor.execute(_SQL[name], values)
        return await cursor.fetchall()
