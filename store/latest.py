"""The newest reading of many patients at once, for lists and maps. The caller knows the scope."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection

_SQL = queries("latest")


class Latest(Struct, frozen=True, kw_only=True):
    """One patient's newest reading of a vital sign; v0..v3 follow its parts."""

    patient_id: int
    device_id: int
    measured_at: datetime
    v0: float | None
    v1: float | None
    v2: float | None
    v3: float | None
    flags: int
    clock: str


async def latest(
    conn: Connection, *, patient_ids: Sequence[int], kind: str, since: datetime
) -> list[Latest]:
    """The newest since then of each of these patients; whoever has none is not there."""
    args = {"patient_ids": list(patient_ids), "kind": kind, "since": since}
    async with conn.cursor(row_factory=class_row(Latest)) as cursor:
        return await (await cursor.execute(_SQL["latest"], args)).fetchall()
