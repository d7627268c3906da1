"""Reading what was measured: readings with their conflicts, dense blocks.

Straight from the tables that ingest writes, so that a stored reading is there at once. The caller
has checked that the patient may be seen.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection

_SQL = queries("reading_query")

BEGINNING: Final = datetime(1900, 1, 1, tzinfo=UTC)
END: Final = datetime(9000, 1, 1, tzinfo=UTC)

Identity = tuple[int, str, datetime, int]


class Stored(Struct, frozen=True, kw_only=True):
    """One stored reading; v0..v3 follow the parts of its kind in contract/vitals.yaml."""

    device_id: int
    kind: str
    measured_at: datetime
    ordinal: int
    patient_id: int | None
    v0: float | None
    v1: float | None
    v2: float | None
    v3: float | None
    flags: int
    clock: str
    claimed_at: datetime | None
    who: str | None
    session_id: str | None
    context: dict[str, Any] | None
    original: dict[str, Any] | None
    node_id: str
    dev: str | None
    model: str | None
    boot: int
    seq: int
    sent_at: datetime | None
    received_at: datetime
    stored_at: datetime
    corrected: bool

    @property
    def identity(self) -> Identity:
        """What makes it this reading."""
        return (self.device_id, self.kind, self.measured_at, self.ordinal)


class Conflict(Struct, frozen=True, kw_only=True):
    """Another value that was sent under the identity of a stored reading."""

    id: int
    device_id: int
    kind: str
    measured_at: datetime
    ordinal: int
    v0: float | None
    v1: float | None
    v2: float | None
    v3: float | None
    flags: int
    node_id: str
    boot: int
    seq: int
    received_at: datetime


class Block(Struct, frozen=True, kw_only=True):
    """One series with a regular step; a missing sample is NaN. `part` counts the kind's parts."""

    device_id: int
    kind: str
    start_at: datetime
    part: int
    step_ms: int
    samples: list[float | None]
    quality: list[int | None] | None
    flags: int
    clock: str
    claimed_at: datetime | None
    who: str | None
    context: dict[str, Any] | None
    node_id: str
    dev: str | None
    model: str | None
    received_at: datetime
    stored_at: datetime


async def readings(
    conn: Connection,
    *,
    patient_id: int,
    kind: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
) -> list[Stored]:
    """A patient's readings measured in [since, until), newest first.

    At least `limit` when there are as many: readings of one instant stay together.
    """
    values = _span(patient_id, kind, since, until, limit)
    async with conn.cursor(row_factory=class_row(Stored)) as cursor:
        await cursor.execute(_SQL["readings"], values)
        return await cursor.fetchall()


def _span(
    patient_id: int, kind: str | None, since: datetime | None, until: datetime | None, limit: int
) -> dict[str, Any]:
    return {
        "patient_id": patient_id,
        "kind": kind,
        "since": since or BEGINNING,
        "until": until or END,
        "limit": limit,
    }


async def conflicts(conn: Connection, of: Sequence[Stored]) -> dict[Identity, list[Conflict]]:
    """What else was said about these readings, by identity."""
    found: dict[Identity, list[Conflict]] = defaultdict(list)
    if not of:
        return found
    values = {
        "device_ids": sorted({reading.device_id for reading in of}),
        "first": min(reading.measured_at for reading in of),
        "last": max(reading.measured_at for reading in of),
    }
    async with conn.cursor(row_factory=class_row(Conflict)) as cursor:
        await cursor.execute(_SQL["conflicts"], values)
        for other in await cursor.fetchall():
            key = (other.device_id, other.kind, other.measured_at, other.ordinal)
            found[key].append(other)
    return found


async def blocks(
    conn: Connection,
    *,
    patient_id: int,
    kind: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
) -> list[Block]:
    """A patient's dense series that start in [since, until), newest first."""
    values = _span(patient_id, kind, since, until, limit)
    async with conn.cursor(row_factory=class_row(Block)) as cursor:
        await cursor.execute(_SQL["blocks"], values)
        return await cursor.fetchall()
