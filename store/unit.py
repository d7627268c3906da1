"""Units: devices as they left the factory, before and while they are nodes."""

from datetime import datetime

import msgspec
from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection
from store.refused import in_words

_SQL = queries("unit")


class NewUnit(Struct, frozen=True, kw_only=True):
    """A unit to add. The secret is sealed, the code is here only as digests."""

    serial: str
    maker: str | None
    model: str | None
    factory_secret: bytes
    code_mac: bytes
    code_hash: str


class Unit(Struct, frozen=True, kw_only=True):
    """One unit with what proves it; `factory_secret` is sealed."""

    serial: str
    maker: str | None
    model: str | None
    factory_secret: bytes
    code_mac: bytes
    added_at: datetime
    retired_at: datetime | None


class UnitLine(Struct, frozen=True, kw_only=True):
    """One unit in a list, with its open claim if there is one."""

    serial: str
    maker: str | None
    model: str | None
    added_at: datetime
    retired_at: datetime | None
    claim_id: int | None
    node_id: str | None
    opened_at: datetime | None
    issued_at: datetime | None
    completed_at: datetime | None


class Asker(Struct, frozen=True, kw_only=True):
    """A unit that may ask to become a node, and the broker's hash of its claim code."""

    serial: str
    code_hash: str


async def add(conn: Connection, new: NewUnit, *, now: datetime) -> None:
    """Add a unit. Raises RefusedByRuleError, for example when the serial is known."""
    with in_words():
        await conn.execute(_SQL["add"], msgspec.structs.asdict(new) | {"now": now})


async def find(conn: Connection, serial: str) -> Unit | None:
    """One unit."""
    async with conn.cursor(row_factory=class_row(Unit)) as cursor:
        await cursor.execute(_SQL["find"], {"serial": serial})
        return await cursor.fetchone()


async def every(conn: Connection) -> list[UnitLine]:
    """All units, the oldest first."""
    async with conn.cursor(row_factory=class_row(UnitLine)) as cursor:
        await cursor.execute(_SQL["every"])
        return await cursor.fetchall()


async def may_ask(conn: Connection, *, unbound: int) -> list[Asker]:
    """The units the broker lets in by their claim code; at most so many that nobody has bound."""
    async with conn.cursor(row_factory=class_row(Asker)) as cursor:
        await cursor.execute(_SQL["may_ask"], {"unbound": unbound})
        return await cursor.fetchall()


async def retire(conn: Connection, *, serial: str, now: datetime) -> bool:
    """Take a unit out for ever; whether it was in."""
    cursor = await conn.execute(_SQL["retire"], {"serial": serial, "now": now})
    return cursor.rowcount == 1
