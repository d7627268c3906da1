"""What the rules look at: the pressures of a person around a time, what they said, their doses.

A window belongs to a patient, or, where a reading has no patient, to its device. All times are
measured times.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from psycopg.rows import class_row, dict_row

from store.named import queries
from store.pool import Connection

_SQL = queries("window")


class WindowReading(Struct, frozen=True, kw_only=True):
    """One reading as stored. `values` are v0..v3 of its kind, in the canonical unit.

    `session_done` says that the guided session it belongs to had ended with it. `beside` is not
    empty for a reading kept beside the one that holds its identity: the message it came with, and
    `conflict` its own number, for one message may say several values of one reading.
    `received_at` is when it became known: of a message taken again after a fix, then; of one that
    a person gave to this patient, then.
    """

    device_id: int
    node_id: str
    kind: str
    measured_at: datetime
    ordinal: int
    patient_id: int | None
    values: tuple[float | None, ...]
    flags: int
    clock: str
    who: str | None
    session_id: str | None
    session_done: bool
    received_at: datetime
    conflict: int = 0
    beside: str = ""


class WindowEvent(Struct, frozen=True, kw_only=True):
    """An answer or a fall of a patient."""

    patient_id: int
    node_id: str
    event_id: str
    type: str
    occurred_at: datetime
    body: dict[str, Any]


class Patient(Struct, frozen=True, kw_only=True):
    """What rules need to know of a patient: the clinical profile of the team."""

    id: int
    profile: str


class Candidate(Struct, frozen=True, kw_only=True):
    """A person a device may have measured."""

    device_id: int
    patient_id: int


class SettledDose(Struct, frozen=True, kw_only=True):
    """A dose whose outcome is known."""

    id: str
    patient_id: int
    plan_item_id: int
    node_id: str
    due_at: datetime
    state: str


class Silent(Struct, frozen=True, kw_only=True):
    """A patient without a reading for longer than planned, and what the devices say.

    `nodes` is the state of each node that measures them now; `links` the state of each device
    behind a node, as the node last said it (None: it says nothing of it).
    """

    patient_id: int
    node_id: str | None
    last_at: datetime | None
    created_at: datetime
    expect_s: int
    nodes: tuple[str | None, ...]
    links: tuple[str | None, ...]


async def of_patients(
    conn: Connection, since: Mapping[int, datetime], *, failed_mask: int
) -> list[WindowReading]:
    """Pressures, and failed measurements of any kind, of each patient since an instant."""
    return await _readings(conn, "of_patients", since, failed_mask)


async def of_devices(
    conn: Connection, since: Mapping[int, datetime], *, failed_mask: int
) -> list[WindowReading]:
    """The same for readings without a patient, of each device since an instant."""
    return await _readings(conn, "of_devices", since, failed_mask)


async def events(
    conn: Connection, since: Mapping[int, datetime], *, types: Sequence[str]
) -> list[WindowEvent]:
    """Events of these types of each patient since an instant."""
    values = {"ids": list(since), "since": list(since.values()), "types": list(types)}
    async with conn.cursor(row_factory=class_row(WindowEvent)) as cursor:
        return await (await cursor.execute(_SQL["events"], values)).fetchall()


async def patients(conn: Connection, ids: Sequence[int]) -> dict[int, Patient]:
    """These patients by id."""
    async with conn.cursor(row_factory=class_row(Patient)) as cursor:
        await cursor.execute(_SQL["patients"], {"ids": list(ids)})
        return {row.id: row for row in await cursor.fetchall()}


async def candidates(conn: Connection, at: Mapping[int, datetime]) -> list[Candidate]:
    """Whom each device may have measured at an instant: bound then, else living in its home."""
    values = {"devices": list(at), "at": list(at.values())}
    async with conn.cursor(row_factory=class_row(Candidate)) as cursor:
        await cursor.execute(_SQL["candidates"], values)
        return await cursor.fetchall()


async def cancelled(
    conn: Connection, events_of_nodes: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], datetime]:
    """Which of these events (node, event id) were withdrawn on the device, and when."""
    values = {
        "nodes": [node for node, _ in events_of_nodes],
        "refs": [ref for _, ref in events_of_nodes],
    }
    cursor = await conn.execute(_SQL["cancelled"], values)
    return {(str(node), str(ref)): at for node, ref, at in await cursor.fetchall()}


async def settled_doses(
    conn: Connection, patient_ids: Sequence[int], *, each: int = 10
) -> list[SettledDose]:
    """The newest settled doses of each plan item of these patients, oldest first."""
    async with conn.cursor(row_factory=class_row(SettledDose)) as cursor:
        await cursor.execute(_SQL["settled_doses"], {"ids": list(patient_ids), "each": each})
        return await cursor.fetchall()


async def silent(conn: Connection, *, now: datetime, limit: int = 10_000) -> list[Silent]:
    """Patients whose newest reading is older than planned; without one, since enrolment."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL["silent"], {"now": now, "limit": limit})
        return [msgspec.convert(row, Silent) for row in await cursor.fetchall()]


async def _readings(
    conn: Connection, query: str, since: Mapping[int, datetime], failed_mask: int
) -> list[WindowReading]:
    if not since:
        return []
    values = {"ids": list(since), "since": list(since.values()), "failed": failed_mask}
    cursor = await conn.execute(_SQL[query], values)
    return [
        WindowReading(
            device_id=row[0],
            node_id=row[1],
            kind=row[2],
            measured_at=row[3],
            ordinal=row[4],
            patient_id=row[5],
            values=(row[6], row[7], row[8], row[9]),
            flags=row[10],
            clock=row[11],
            who=row[12],
            session_id=row[13],
            session_done=bool(row[14]),
            received_at=row[15],
            beside=row[16],
            conflict=row[17],
        )
        for row in await cursor.fetchall()
    ]


async def patients_of_plans(conn: Connection, node_ids: Sequence[str]) -> dict[str, int]:
    """The patient of each node's plan, where the plan is one person's."""
    cursor = await conn.execute(_SQL["patients_of_plans"], {"nodes": list(node_ids)})
    return {str(node): int(patient) for node, patient in await cursor.fetchall()}
