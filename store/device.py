"""Devices behind a node, and whom they measure over time."""

from datetime import datetime

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection
from store.refused import in_words

_SQL = queries("device")


class Device(Struct, frozen=True, kw_only=True):
    """One device; `dev` is its name on the wire, '' is the node itself."""

    id: int
    node_id: str
    dev: str
    type: str
    maker: str | None
    model: str | None
    serial: str | None
    udi: str | None


class Binding(Struct, frozen=True, kw_only=True):
    """Whom a slot of a device measures; `since` None: from the beginning, `until` None: still."""

    id: int
    dev: str
    who: str
    patient_id: int
    since: datetime | None
    until: datetime | None


class Serving(Struct, frozen=True, kw_only=True):
    """A node that serves a patient, and under which slot."""

    node_id: str
    who: str | None


async def add(conn: Connection, *, node_id: str, dev: str, type_: str, now: datetime) -> int:
    """Add a device to a node; its id. Raises RefusedByRuleError."""
    values = {"node_id": node_id, "dev": dev, "type": type_, "now": now}
    with in_words():
        cursor = await conn.execute(_SQL["add"], values)
    return int((await cursor.fetchall())[0][0])


async def find(conn: Connection, *, node_id: str, dev: str) -> Device | None:
    """One device of a node, or None."""
    async with conn.cursor(row_factory=class_row(Device)) as cursor:
        await cursor.execute(_SQL["find"], {"node_id": node_id, "dev": dev})
        return await cursor.fetchone()


async def of_node(conn: Connection, node_id: str) -> list[Device]:
    """The devices of a node, itself first."""
    async with conn.cursor(row_factory=class_row(Device)) as cursor:
        await cursor.execute(_SQL["of_node"], {"node_id": node_id})
        return await cursor.fetchall()


async def bind(
    conn: Connection, *, device_id: int, who: str, patient_id: int, since: datetime | None
) -> int:
    """Let a slot measure this patient from `since` (None: from the beginning) on.

    An earlier binding of the slot ends there. Raises RefusedByRuleError, also when a binding
    that starts later is in the way.
    """
    values = {"device_id": device_id, "who": who, "patient_id": patient_id, "since": since}
    with in_words():
        if since is not None:
            await end_binding(conn, device_id=device_id, who=who, at=since)
        cursor = await conn.execute(_SQL["bind"], values)
    return int((await cursor.fetchall())[0][0])


async def end_binding(conn: Connection, *, device_id: int, who: str, at: datetime) -> bool:
    """Let a slot measure nobody from then on; whether it had measured somebody."""
    values = {"device_id": device_id, "who": who, "at": at}
    return (await conn.execute(_SQL["end_binding"], values)).rowcount == 1


async def bindings_of_node(
    conn: Connection, node_id: str, *, staff_id: int | None = None
) -> list[Binding]:
    """Whom the devices of a node measure and measured, oldest first.

    Only patients in the scope of `staff_id`; None is the administration and sees all.
    """
    values = {"node_id": node_id, "staff_id": staff_id}
    async with conn.cursor(row_factory=class_row(Binding)) as cursor:
        await cursor.execute(_SQL["bindings_of_node"], values)
        return await cursor.fetchall()


async def nodes_of_patient(conn: Connection, *, patient_id: int, now: datetime) -> list[Serving]:
    """The nodes that serve a patient now; a plan rings there."""
    async with conn.cursor(row_factory=class_row(Serving)) as cursor:
        await cursor.execute(_SQL["nodes_of_patient"], {"patient_id": patient_id, "now": now})
        return await cursor.fetchall()
