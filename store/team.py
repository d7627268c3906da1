"""Care teams: who cares for an area, the ladder of people who are told, and their webhooks."""

from datetime import datetime

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection
from store.refused import in_words

_SQL = queries("team")

PROFILES = ("cn", "esc", "us_uk")


class Team(Struct, frozen=True, kw_only=True):
    """One team. `escalate_after_s` is how long each step of its ladder has to answer."""

    id: int
    name: str
    area_id: int
    profile: str
    escalate_after_s: int


class Member(Struct, frozen=True, kw_only=True):
    """One person on a team's ladder; step 1 is told first."""

    team_id: int
    staff_id: int
    user_name: str
    display_name: str
    role: str
    step: int


async def add(
    conn: Connection,
    *,
    name: str,
    area_id: int,
    profile: str = "cn",
    escalate_after_s: int = 300,
    now: datetime,
) -> Team:
    """Add a team at an area. Raises RefusedByRuleError."""
    values = {
        "name": name,
        "area_id": area_id,
        "profile": profile,
        "escalate_after_s": escalate_after_s,
        "now": now,
    }
    async with conn.cursor(row_factory=class_row(Team)) as cursor:
        with in_words():
            await cursor.execute(_SQL["add"], values)
        return (await cursor.fetchall())[0]


async def find(conn: Connection, team_id: int) -> Team | None:
    """One team, or None."""
    async with conn.cursor(row_factory=class_row(Team)) as cursor:
        await cursor.execute(_SQL["find"], {"team_id": team_id})
        return await cursor.fetchone()


async def every(conn: Connection) -> list[Team]:
    """All teams."""
    async with conn.cursor(row_factory=class_row(Team)) as cursor:
        await cursor.execute(_SQL["every"])
        return await cursor.fetchall()


async def of_staff(conn: Connection, staff_id: int) -> list[Team]:
    """The teams a person works in; all of them for an administrator."""
    async with conn.cursor(row_factory=class_row(Team)) as cursor:
        await cursor.execute(_SQL["of_staff"], {"staff_id": staff_id})
        return await cursor.fetchall()


async def put_member(conn: Connection, *, team_id: int, staff_id: int, step: int = 1) -> None:
    """Put a person on a step of the team's ladder. Raises RefusedByRuleError."""
    with in_words():
        await conn.execute(
            _SQL["put_member"], {"team_id": team_id, "staff_id": staff_id, "step": step}
        )


async def remove_member(conn: Connection, *, team_id: int, staff_id: int) -> bool:
    """Take a person off the team; whether they had been on it."""
    cursor = await conn.execute(_SQL["remove_member"], {"team_id": team_id, "staff_id": staff_id})
    return cursor.rowcount == 1


async def members(conn: Connection, team_id: int) -> list[Member]:
    """The team's ladder, first step first; without people who were disabled."""
    async with conn.cursor(row_factory=class_row(Member)) as cursor:
        await cursor.execute(_SQL["members"], {"team_id": team_id})
        return await cursor.fetchall()


async def put_webhook(
    conn: Connection,
    *,
    address: str,
    secret: str,
    team_id: int | None = None,
    staff_id: int | None = None,
    shows_patient: bool = False,
    now: datetime,
) -> int:
    """Tell a team or a person at this address too; returns the contact's id."""
    values = {
        "team_id": team_id,
        "staff_id": staff_id,
        "address": address,
        "secret": secret,
        "shows_patient": shows_patient,
        "now": now,
    }
    with in_words():
        cursor = await conn.execute(_SQL["put_webhook"], values)
    row = (await cursor.fetchall())[0]
    return int(row[0])
