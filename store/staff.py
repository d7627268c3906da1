"""The people who work with the hub: doctors, nurses, team leads, administrators."""

from datetime import datetime

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection
from store.refused import in_words

_SQL = queries("staff")

ROLES = ("admin", "lead", "doctor", "nurse")


class Staff(Struct, frozen=True, kw_only=True):
    """One person. Who was disabled signs in no more and is told nothing more."""

    id: int
    user_name: str
    display_name: str
    role: str
    locale: str
    disabled_at: datetime | None


class Password(Struct, frozen=True, kw_only=True):
    """What a sign-in is checked against."""

    id: int
    password_hash: str


async def add(
    conn: Connection,
    *,
    user_name: str,
    display_name: str,
    role: str,
    locale: str,
    password_hash: str | None,
    now: datetime,
) -> Staff:
    """Add a person. Raises RefusedByRuleError."""
    values = {
        "user_name": user_name,
        "display_name": display_name,
        "role": role,
        "locale": locale,
        "password_hash": password_hash,
        "now": now,
    }
    async with conn.cursor(row_factory=class_row(Staff)) as cursor:
        with in_words():
            await cursor.execute(_SQL["add"], values)
        return (await cursor.fetchall())[0]


async def find(conn: Connection, staff_id: int) -> Staff | None:
    """One person, or None."""
    async with conn.cursor(row_factory=class_row(Staff)) as cursor:
        await cursor.execute(_SQL["find"], {"staff_id": staff_id})
        return await cursor.fetchone()


async def by_user(conn: Connection, user_name: str) -> Staff | None:
    """The person with this user name, or None."""
    async with conn.cursor(row_factory=class_row(Staff)) as cursor:
        await cursor.execute(_SQL["by_user"], {"user_name": user_name})
        return await cursor.fetchone()


async def every(conn: Connection) -> list[Staff]:
    """Everybody, in the order they came."""
    async with conn.cursor(row_factory=class_row(Staff)) as cursor:
        await cursor.execute(_SQL["every"])
        return await cursor.fetchall()


async def beside(conn: Connection, staff_id: int) -> list[Staff]:
    """The people of this person's teams; everybody for an administrator."""
    async with conn.cursor(row_factory=class_row(Staff)) as cursor:
        await cursor.execute(_SQL["beside"], {"staff_id": staff_id})
        return await cursor.fetchall()


async def password_of(conn: Connection, user_name: str) -> Password | None:
    """The password hash to check against; None for somebody unknown, disabled or without one."""
    async with conn.cursor(row_factory=class_row(Password)) as cursor:
        await cursor.execute(_SQL["password_of"], {"user_name": user_name})
        return await cursor.fetchone()


async def set_password(conn: Connection, *, staff_id: int, password_hash: str) -> None:
    """Set a new password hash; ending the sessions is the caller's."""
    await conn.execute(_SQL["set_password"], {"staff_id": staff_id, "password_hash": password_hash})


async def disable(conn: Connection, *, staff_id: int, now: datetime) -> bool:
    """Let a person in no more; whether that changed anything."""
    cursor = await conn.execute(_SQL["disable"], {"staff_id": staff_id, "now": now})
    return cursor.rowcount == 1


async def has_administrator(conn: Connection) -> bool:
    """Whether an administrator exists; holds others who ask until the transaction ends."""
    await conn.execute(_SQL["lock_first_start"])
    row = await (await conn.execute(_SQL["has_administrator"])).fetchone()
    return bool(row and row[0])
