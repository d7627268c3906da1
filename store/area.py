"""Areas: province, city, county, township, village; where patients, teams and nodes belong."""

from datetime import datetime
from zoneinfo import available_timezones

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection
from store.refused import in_words, refusal

_SQL = queries("area")

LEVELS = ("province", "city", "county", "township", "village")


class Area(Struct, frozen=True, kw_only=True):
    """One area. `duty_team_id` is who answers when nobody else does."""

    id: int
    parent_id: int | None
    level: str
    name: str
    code: str | None
    time_zone: str
    duty_team_id: int | None


async def add(
    conn: Connection,
    *,
    name: str,
    level: str,
    parent_id: int | None,
    code: str | None,
    time_zone: str,
    now: datetime,
) -> Area:
    """Add an area below its parent; any level may be a root. Raises RefusedByRuleError."""
    if time_zone not in available_timezones():
        raise refusal("area_time_zone")
    values = {
        "name": name,
        "level": level,
        "parent_id": parent_id,
        "code": code,
        "time_zone": time_zone,
        "now": now,
    }
    async with conn.cursor(row_factory=class_row(Area)) as cursor:
        with in_words():
            await cursor.execute(_SQL["add"], values)
        return (await cursor.fetchall())[0]


async def find(conn: Connection, area_id: int) -> Area | None:
    """One area, or None."""
    async with conn.cursor(row_factory=class_row(Area)) as cursor:
        await cursor.execute(_SQL["find"], {"area_id": area_id})
        return await cursor.fetchone()


async def by_code(conn: Connection, code: str) -> Area | None:
    """The area with this code, or None."""
    async with conn.cursor(row_factory=class_row(Area)) as cursor:
        await cursor.execute(_SQL["by_code"], {"code": code})
        return await cursor.fetchone()


async def every(conn: Connection) -> list[Area]:
    """The whole tree, parents first."""
    async with conn.cursor(row_factory=class_row(Area)) as cursor:
        await cursor.execute(_SQL["every"])
        return await cursor.fetchall()


async def of_staff(conn: Connection, staff_id: int) -> list[Area]:
    """The areas in a person's scope, and the ones above them, parents first."""
    async with conn.cursor(row_factory=class_row(Area)) as cursor:
        await cursor.execute(_SQL["of_staff"], {"staff_id": staff_id})
        return await cursor.fetchall()


async def may_place(conn: Connection, staff_id: int, area_id: int) -> bool:
    """Whether a person may put a patient or a node into the area."""
    cursor = await conn.execute(_SQL["may_place"], {"staff_id": staff_id, "area_id": area_id})
    row = await cursor.fetchone()
    return bool(row and row[0])


async def set_duty_team(conn: Connection, *, area_id: int, team_id: int) -> None:
    """Let this team answer calls of the area that nobody else owns."""
    await conn.execute(_SQL["set_duty_team"], {"area_id": area_id, "team_id": team_id})
