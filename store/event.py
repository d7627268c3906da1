"""Events: calls for help and whatever else happens to a device; one row each.

A resend (same id) stores nothing. A device that gives a second emergency the id of the first
must not lose it: such an event is stored beside the first, under the id with its time appended.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from contract.instants import to_millis
from store.named import queries
from store.pool import Connection

_SQL = queries("event")

# A resend keeps the time of the event, or counts its tries; what does neither soon ends.
_STILL_THE_SAME: Final = timedelta(minutes=10)
_STILL_TRYING: Final = timedelta(hours=24)


class EventRow(Struct, frozen=True, kw_only=True):
    """One event on its way in. `body` is the message as JSON; `attempt` counts the resends."""

    node_id: str
    event_id: str
    type: str
    severity: str | None
    patient_id: int | None
    occurred_at: datetime
    clock: str
    received_at: datetime
    ref: str | None
    body: str
    attempt: int


class Recorded(NamedTuple):
    """Where an event is kept; `new` is False for a resend."""

    row_id: int
    event_id: str
    new: bool


class Namesake(NamedTuple):
    """A stored event of the same id."""

    row_id: int
    event_id: str
    type: str
    occurred_at: datetime


def is_resend(row: EventRow, stored: Namesake) -> bool:
    """Whether `row` says again what is stored, rather than reusing its id for something else."""
    apart = abs(row.occurred_at - stored.occurred_at)
    within = _STILL_TRYING if row.attempt > 1 else _STILL_THE_SAME
    return row.type == stored.type and apart <= within


async def record(conn: Connection, rows: Sequence[EventRow]) -> list[Recorded]:
    """Record events; one answer each, in their order. Part of a transaction."""
    order = sorted(range(len(rows)), key=lambda n: (rows[n].node_id, rows[n].event_id))
    row_ids = await _insert(conn, [(rows[n], rows[n].event_id) for n in order])
    answers: dict[int, Recorded] = {}
    for n, row_id in zip(order, row_ids, strict=True):
        if row_id is not None:
            answers[n] = Recorded(row_id, rows[n].event_id, new=True)
        else:
            answers[n] = await _resend_or_another(conn, rows[n])
    return [answers[n] for n in range(len(rows))]


async def _resend_or_another(conn: Connection, row: EventRow) -> Recorded:
    cursor = await conn.execute(
        _SQL["namesakes"], {"node_id": row.node_id, "event_id": row.event_id}
    )
    stored = [Namesake(*columns) for columns in await cursor.fetchall()]
    for namesake in stored:
        if is_resend(row, namesake):
            return Recorded(namesake.row_id, namesake.event_id, new=False)
    beside = f"{row.event_id}~{to_millis(row.occurred_at)}"
    (row_id,) = await _insert(conn, [(row, beside)])
    if row_id is None:
        return Recorded(stored[-1].row_id, stored[-1].event_id, new=False)
    return Recorded(row_id, beside, new=True)


async def _insert(conn: Connection, rows: Sequence[tuple[EventRow, str]]) -> list[int | None]:
    """The new row of each, or None where its id is taken; in one round trip."""
    if not rows:
        return []
    cursor = conn.cursor()
    values = [msgspec.structs.asdict(row) | {"event_id": event_id} for row, event_id in rows]
    await cursor.executemany(_SQL["record"], values, returning=True)
    found = []
    more: bool | None = True
    while more:
        answer = await cursor.fetchone()
        found.append(int(answer[0]) if answer else None)
        more = cursor.nextset()
    return found
