"""What a deed is to move, and what deeds there were: spans, sessions, and what was moved before."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from psycopg.rows import class_row

from store.deed import BlockRef, ChunkRef, Load, Place, Ref
from store.named import queries
from store.pool import Connection

_SQL = queries("reassign_query")

# What one deed may move of each: a night of one device is less.
MOST: Final = 5000


class Span(Struct, frozen=True, kw_only=True):
    """What a device measured in [since, until): all of it, of some slots ('' is none), or of one
    session."""

    device_id: int
    since: datetime
    until: datetime
    slots: Sequence[str] | None = None
    session_id: str | None = None


class Known(Struct, frozen=True, kw_only=True):
    """A deed that was done. `by` is the name of whoever did it; a patient out of scope is None."""

    id: int
    at: datetime
    actor: str
    by: str | None
    what: str
    from_patient_id: int | None
    to_patient_id: int | None
    from_aside: str | None
    to_aside: str | None
    note: str
    readings: int
    blocks: int
    chunks: int
    undone_by: int | None

    @property
    def before(self) -> Place:
        """Where everything was."""
        return Place(self.from_patient_id, self.from_aside)

    @property
    def after(self) -> Place:
        """Where it put everything."""
        return Place(self.to_patient_id, self.to_aside)


async def of_span(conn: Connection, span: Span, place: Place) -> Load:
    """What of a span is in that place; at most MOST + 1 of each, so that a caller sees too much."""
    values = {
        "device_id": span.device_id,
        "since": span.since,
        "until": span.until,
        "slots": None if span.slots is None else list(span.slots),
        "session_id": span.session_id,
        "from_patient_id": place.patient_id,
        "from_aside": place.aside,
        "limit": MOST + 1,
    }
    return await _load(conn, ("span_readings", "span_blocks", "span_chunks"), values)


async def of_recording(conn: Connection, device_id: int, recording: str) -> Load:
    """What waits of a recording; at most MOST + 1 chunks."""
    values = {"device_id": device_id, "recording": recording, "limit": MOST + 1}
    rows = await (await conn.execute(_SQL["waiting_chunks"], values)).fetchall()
    return Load(chunks=[ChunkRef(*row) for row in rows])


async def waiting_for(conn: Connection, pseudonym: str) -> Load:
    """What waits under a pseudonym that nobody had."""
    return await _load(conn, ("named", "named_blocks", None), {"who": pseudonym, "limit": MOST})


async def find(conn: Connection, number: int) -> Known | None:
    """A deed by its number."""
    async with conn.cursor(row_factory=class_row(Known)) as cursor:
        return await (await cursor.execute(_SQL["find"], {"id": number})).fetchone()


async def of_patient(
    conn: Connection, patient_id: int, *, staff_id: int, limit: int = 100
) -> list[Known]:
    """What was moved to and from a patient, newest first. The caller has checked the scope."""
    values = {"patient_id": patient_id, "staff_id": staff_id, "limit": limit}
    async with conn.cursor(row_factory=class_row(Known)) as cursor:
        return await (await cursor.execute(_SQL["of_patient"], values)).fetchall()


async def belongs(conn: Connection, ref: Ref, patient_id: int) -> bool:
    """Whether a reading is this patient's now."""
    cursor = await conn.execute(_SQL["belongs"], ref._asdict() | {"patient_id": patient_id})
    return await cursor.fetchone() is not None


async def moved_by(conn: Connection, number: int) -> Load:
    """What a deed moved."""
    return await _load(conn, ("readings_of", "blocks_of", "chunks_of"), {"id": number})


async def _load(
    conn: Connection, names: tuple[str, str, str | None], values: dict[str, Any]
) -> Load:
    async def rows(name: str | None) -> list[Any]:
        return await (await conn.execute(_SQL[name], values)).fetchall() if name else []

    readings, blocks, chunks = [await rows(name) for name in names]
    return Load(
        [Ref(*row) for row in readings],
        [BlockRef(*row) for row in blocks],
        [ChunkRef(*row) for row in chunks],
    )
