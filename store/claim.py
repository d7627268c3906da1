"""Claims: units bound to a place and a person, on their way to being a node; and wrong tries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection
from store.refused import in_words

_SQL = queries("claim")

What = Literal["code", "proof"]


class Claim(Struct, frozen=True, kw_only=True):
    """One claim: opened, issued (the unit was told its node), completed (seen ready), ended."""

    id: int
    serial: str
    area_id: int
    household_id: int | None
    patient_id: int | None
    label: str
    opened_at: datetime
    opened_by: str
    node_id: str | None
    issued_at: datetime | None
    completed_at: datetime | None
    ended_at: datetime | None


class Ready(Struct, frozen=True, kw_only=True):
    """A claim whose node was seen ready."""

    id: int
    serial: str
    node_id: str


class WrongCodes(Struct, frozen=True, kw_only=True):
    """Wrong codes typed at one address: for one unit, and for all."""

    pair: int
    pair_at: datetime | None
    address: int
    address_at: datetime | None


async def open_(
    conn: Connection,
    *,
    serial: str,
    area_id: int,
    household_id: int | None,
    patient_id: int | None,
    label: str,
    opened_by: str,
    now: datetime,
) -> int:
    """Bind a unit; returns the claim's id. Raises RefusedByRuleError when it is bound already."""
    values = {
        "serial": serial,
        "area_id": area_id,
        "household_id": household_id,
        "patient_id": patient_id,
        "label": label,
        "opened_by": opened_by,
        "now": now,
    }
    with in_words():
        cursor = await conn.execute(_SQL["open"], values)
    return int((await cursor.fetchall())[0][0])


async def lock_open(conn: Connection, serial: str) -> Claim | None:
    """The open claim of a unit, held until the transaction ends."""
    return await _one(conn, "lock", serial=serial)


async def find(conn: Connection, claim_id: int) -> Claim | None:
    """One claim, whoever asks."""
    return await _one(conn, "find", claim_id=claim_id)


async def of_node(conn: Connection, node_id: str) -> Claim | None:
    """The claim by which this node came to be, if it did so."""
    return await _one(conn, "of_node", node_id=node_id)


async def _one(conn: Connection, query: str, **values: object) -> Claim | None:
    async with conn.cursor(row_factory=class_row(Claim)) as cursor:
        await cursor.execute(_SQL[query], values)
        return await cursor.fetchone()


async def visible(conn: Connection, *, staff_id: int) -> list[Claim]:
    """The open claims in this person's scope, the newest first."""
    async with conn.cursor(row_factory=class_row(Claim)) as cursor:
        await cursor.execute(_SQL["visible"], {"staff_id": staff_id})
        return await cursor.fetchall()


async def issued(conn: Connection, claim_id: int, *, node_id: str, now: datetime) -> None:
    """Note that the unit was told (again) that it is this node."""
    await conn.execute(_SQL["issued"], {"claim_id": claim_id, "node_id": node_id, "now": now})


async def end(conn: Connection, claim_id: int, *, now: datetime) -> bool:
    """The unit belongs to nobody any more; whether it did."""
    return (await conn.execute(_SQL["end"], {"claim_id": claim_id, "now": now})).rowcount == 1


async def complete_seen(conn: Connection, *, now: datetime) -> list[Ready]:
    """Complete the claims whose node was seen ready since it was issued; returns them."""
    async with conn.cursor(row_factory=class_row(Ready)) as cursor:
        await cursor.execute(_SQL["seen_ready"])
        ready = await cursor.fetchall()
    # Not without rows: the statement alone would wake whoever follows the credentials.
    if ready:
        await conn.execute(_SQL["complete"], {"claim_id": [one.id for one in ready], "now": now})
    return ready


async def note_failure(
    conn: Connection, *, serial: str, address: str | None, what: What, at: datetime
) -> None:
    """Somebody typed a wrong code at an address, or a unit sent a wrong proof."""
    values = {"serial": serial, "address": address, "what": what, "at": at}
    await conn.execute(_SQL["failed"], values)


async def wrong_proofs(conn: Connection, *, serial: str, since: datetime) -> Sequence[datetime]:
    """When this unit sent wrong proofs, the newest first."""
    cursor = await conn.execute(_SQL["wrong_proofs"], {"serial": serial, "since": since})
    return [at for (at,) in await cursor.fetchall()]


async def wrong_codes(
    conn: Connection, *, serial: str, address: str, since: datetime
) -> WrongCodes:
    """Wrong codes typed at this address; others who try there wait for this transaction."""
    await conn.execute(_SQL["one_at_a_time"], {"address": address})
    values = {"serial": serial, "address": address, "since": since}
    async with conn.cursor(row_factory=class_row(WrongCodes)) as cursor:
        await cursor.execute(_SQL["wrong_codes"], values)
        return (await cursor.fetchall())[0]


async def forgive(conn: Connection, *, serial: str, address: str | None, what: What) -> None:
    """The right one came: what was wrong before does not count any more."""
    await conn.execute(_SQL["forgive"], {"serial": serial, "address": address, "what": what})


async def forget_failures(conn: Connection, *, before: datetime) -> None:
    """Drop failures from before then."""
    await conn.execute(_SQL["forget"], {"before": before})
