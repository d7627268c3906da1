"""Doses: one row for each (plan item, due time), what became of it, and what was said about it."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct, structs
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection

_SQL = queries("dose")


class NewDose(Struct, frozen=True, kw_only=True):
    """A dose as the plan wants it; `id` is the occurrence id on the wire."""

    id: str
    plan_item_id: int
    patient_id: int
    node_id: str
    due_at: datetime
    window_from: datetime
    window_to: datetime


class Dose(NewDose, frozen=True, kw_only=True):
    """A dose as stored; `state_at` is the device's time of that state."""

    state: str
    state_at: datetime | None
    by: str | None
    why: str | None


class Statement(Struct, frozen=True, kw_only=True):
    """What somebody says of a dose: its state at an instant, by whom or what, and why."""

    state: str
    at: datetime
    by: str | None
    why: str | None


class Said(Statement, frozen=True, kw_only=True):
    """A statement as kept, and whether the dose's state followed it."""

    taken_over: bool
    recorded_at: datetime


class TakenSlot(Struct, frozen=True, kw_only=True):
    """A slot of a running item already served under the item it replaced."""

    item_id: int
    window_from: datetime
    window_to: datetime


class Overdue(Struct, frozen=True, kw_only=True):
    """A dose nobody answered, and why it is given up now."""

    id: str
    node_id: str
    why: str


async def put_doses(
    conn: Connection, node_id: str, wanted: Sequence[NewDose], now: datetime
) -> list[Dose]:
    """Make a node's open doses exactly the wanted ones; returns those withdrawn for good."""
    ids, due = [dose.id for dose in wanted], [dose.due_at for dose in wanted]
    async with conn.cursor(row_factory=class_row(Dose)) as cursor:
        await cursor.execute(
            _SQL["withdraw_unwanted"], {"node_id": node_id, "ids": ids, "due": due, "now": now}
        )
        unwanted = await cursor.fetchall()
    await conn.execute(
        _SQL["put"],
        {
            "ids": ids,
            "due": due,
            "items": [dose.plan_item_id for dose in wanted],
            "patients": [dose.patient_id for dose in wanted],
            "nodes": [dose.node_id for dose in wanted],
            "from": [dose.window_from for dose in wanted],
            "to": [dose.window_to for dose in wanted],
        },
    )
    return [dose for dose in unwanted if dose.id not in set(ids)]


async def doses_to_ring(conn: Connection, node_id: str, now: datetime) -> list[Dose]:
    """What a node still has to ring for, in order."""
    async with conn.cursor(row_factory=class_row(Dose)) as cursor:
        await cursor.execute(_SQL["to_ring"], {"node_id": node_id, "now": now})
        return await cursor.fetchall()


async def taken_before(conn: Connection, node_id: str, since: datetime) -> list[TakenSlot]:
    """Slots served before their item was changed: not asked for again."""
    async with conn.cursor(row_factory=class_row(TakenSlot)) as cursor:
        await cursor.execute(_SQL["taken_before"], {"node_id": node_id, "since": since})
        return await cursor.fetchall()


async def lock_dose(conn: Connection, dose_id: str, node_id: str) -> Dose | None:
    """A dose of this node, held until the transaction ends; None if it has no such dose."""
    async with conn.cursor(row_factory=class_row(Dose)) as cursor:
        await cursor.execute(_SQL["lock"], {"dose_id": dose_id, "node_id": node_id})
        return await cursor.fetchone()


async def note(
    conn: Connection, dose_id: str, said: Statement, *, taken_over: bool, now: datetime
) -> bool:
    """Keep what was said of a dose; False when the same was said before."""
    cursor = await conn.execute(
        _SQL["note"],
        {**structs.asdict(said), "dose_id": dose_id, "taken_over": taken_over, "now": now},
    )
    return await cursor.fetchone() is not None


async def set_state(
    conn: Connection, dose_id: str, said: Statement, *, now: datetime
) -> Dose | None:
    """Write what became of a dose and return it as it now is."""
    async with conn.cursor(row_factory=class_row(Dose)) as cursor:
        await cursor.execute(
            _SQL["set_state"], {**structs.asdict(said), "dose_id": dose_id, "now": now}
        )
        return await cursor.fetchone()


async def replaced_nodes(conn: Connection, dose: Dose) -> list[str]:
    """Nodes that would ask for this dose's slot again under the item that replaced its own."""
    cursor = await conn.execute(
        _SQL["replaced_nodes"],
        {
            "plan_item_id": dose.plan_item_id,
            "window_from": dose.window_from,
            "window_to": dose.window_to,
        },
    )
    return [str(node_id) for (node_id,) in await cursor.fetchall()]


async def overdue(
    conn: Connection, *, answered_before: datetime, given_up_before: datetime, limit: int = 500
) -> list[Overdue]:
    """Open doses whose window is over: by now answered if ever, or the device long away."""
    async with conn.cursor(row_factory=class_row(Overdue)) as cursor:
        await cursor.execute(
            _SQL["overdue"],
            {
                "answered_before": answered_before,
                "given_up_before": given_up_before,
                "limit": limit,
            },
        )
        return await cursor.fetchall()


async def of_patient(
    conn: Connection, patient_id: int, *, since: datetime, until: datetime
) -> list[Dose]:
    """A patient's doses due in [since, until), in order, withdrawn ones too."""
    async with conn.cursor(row_factory=class_row(Dose)) as cursor:
        await cursor.execute(
            _SQL["of_patient"], {"patient_id": patient_id, "since": since, "until": until}
        )
        return await cursor.fetchall()


async def history_of(conn: Connection, dose_id: str) -> list[Said]:
    """Everything that was said of a dose, in the order it became known."""
    async with conn.cursor(row_factory=class_row(Said)) as cursor:
        await cursor.execute(_SQL["history_of"], {"dose_id": dose_id})
        return await cursor.fetchall()
