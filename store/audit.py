"""The audit: who signed in, who looked at whom, who did what. Append-only, by the schema."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from store.named import queries
from store.pool import Connection

_SQL = queries("audit")


class Entry(Struct, frozen=True, kw_only=True):
    """One line of the audit; `staff_id` None is the command line or somebody not signed in."""

    id: int
    at: datetime
    staff_id: int | None
    action: str
    subject_kind: str
    subject_id: str
    address: str | None
    detail: dict[str, Any]


class FailedSignIns(Struct, frozen=True, kw_only=True):
    """Failed sign-ins: of the account from this address, of the account, of the address."""

    pair: int
    pair_at: datetime | None
    account: int
    account_at: datetime | None
    address: int
    address_at: datetime | None


async def record(
    conn: Connection,
    *,
    at: datetime,
    action: str,
    staff_id: int | None,
    subject_kind: str = "",
    subject_id: str | int = "",
    address: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write one line, in the transaction of what it is about."""
    values = {
        "at": at,
        "staff_id": staff_id,
        "action": action,
        "subject_kind": subject_kind,
        "subject_id": str(subject_id),
        "address": address,
        "detail": Jsonb(dict(detail or {})),
    }
    await conn.execute(_SQL["record"], values)


async def of_subject(
    conn: Connection, *, subject_kind: str, subject_id: str | int, limit: int = 100
) -> list[Entry]:
    """What was done to one subject, newest first."""
    values = {"subject_kind": subject_kind, "subject_id": str(subject_id), "limit": limit}
    async with conn.cursor(row_factory=class_row(Entry)) as cursor:
        await cursor.execute(_SQL["of_subject"], values)
        return await cursor.fetchall()


async def one_sign_in_at_a_time(conn: Connection, user_name: str) -> bool:
    """Whether nobody else is trying this account right now; held until the transaction ends."""
    cursor = await conn.execute(_SQL["one_sign_in_at_a_time"], {"user_name": user_name})
    row = await cursor.fetchone()
    return bool(row and row[0])


async def failed_sign_ins(
    conn: Connection, *, user_name: str, address: str, since: datetime
) -> FailedSignIns:
    """How often signing in failed since then."""
    values = {"user_name": user_name, "address": address, "since": since}
    async with conn.cursor(row_factory=class_row(FailedSignIns)) as cursor:
        await cursor.execute(_SQL["failed_sign_ins"], values)
        return (await cursor.fetchall())[0]
