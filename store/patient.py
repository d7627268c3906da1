"""Patients: who measures at home, where they belong, and what is agreed for them."""

from datetime import date, datetime

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection
from store.refused import in_words

_SQL = queries("patient")


class NewPatient(Struct, frozen=True, kw_only=True):
    """What is known of a patient at enrolment. Targets in mm[Hg]; both or none."""

    name: str
    area_id: int
    pseudonym: str
    team_id: int | None = None
    sex: str | None = None
    birth_date: date | None = None
    phone: str | None = None
    locale: str = "zh-CN"
    conditions: tuple[str, ...] = ()
    frail: bool = False
    target_sys: int | None = None
    target_dia: int | None = None
    expect_reading_every_s: int | None = 259_200


class Patient(Struct, frozen=True, kw_only=True):
    """One patient."""

    id: int
    name: str
    sex: str | None
    birth_date: date | None
    phone: str | None
    area_id: int
    team_id: int | None
    household_id: int | None
    pseudonym: str
    locale: str
    conditions: list[str]
    frail: bool
    target_sys: int | None
    target_dia: int | None
    expect_reading_every_s: int | None
    created_at: datetime
    archived_at: datetime | None


async def add(conn: Connection, new: NewPatient, *, now: datetime) -> Patient:
    """Enrol a patient. Raises RefusedByRuleError."""
    values = {name: getattr(new, name) for name in NewPatient.__struct_fields__}
    values |= {"conditions": list(new.conditions), "now": now}
    async with conn.cursor(row_factory=class_row(Patient)) as cursor:
        with in_words():
            await cursor.execute(_SQL["add"], values)
        return (await cursor.fetchall())[0]


async def find(conn: Connection, patient_id: int) -> Patient | None:
    """One patient whoever asks; for the administration only."""
    async with conn.cursor(row_factory=class_row(Patient)) as cursor:
        await cursor.execute(_SQL["find"], {"patient_id": patient_id})
        return await cursor.fetchone()


async def find_visible(conn: Connection, *, patient_id: int, staff_id: int) -> Patient | None:
    """One patient if in this person's scope; None alike for nobody and for somebody else's."""
    values = {"patient_id": patient_id, "staff_id": staff_id}
    async with conn.cursor(row_factory=class_row(Patient)) as cursor:
        await cursor.execute(_SQL["find_visible"], values)
        return await cursor.fetchone()


async def every(conn: Connection) -> list[Patient]:
    """All patients; for the administration only."""
    async with conn.cursor(row_factory=class_row(Patient)) as cursor:
        await cursor.execute(_SQL["every"])
        return await cursor.fetchall()


async def visible(
    conn: Connection, *, staff_id: int, after: int = 0, limit: int = 1000
) -> list[Patient]:
    """The patients in this person's scope with an id above `after`, by id."""
    values = {"staff_id": staff_id, "after": after, "limit": limit}
    async with conn.cursor(row_factory=class_row(Patient)) as cursor:
        await cursor.execute(_SQL["visible"], values)
        return await cursor.fetchall()


async def profile(conn: Connection, patient_id: int) -> str:
    """The clinical profile that holds for the patient: cn, esc or us_uk."""
    row = await (await conn.execute(_SQL["profile"], {"patient_id": patient_id})).fetchone()
    return str(row[0]) if row else "cn"


async def add_household(
    conn: Connection, *, area_id: int, team_id: int | None, label: str = ""
) -> int:
    """A new home; its id."""
    values = {"area_id": area_id, "team_id": team_id, "label": label}
    row = (await (await conn.execute(_SQL["add_household"], values)).fetchall())[0]
    return int(row[0])


async def move_in(conn: Connection, *, patient_id: int, household_id: int) -> None:
    """Note that the patient lives in this home."""
    await conn.execute(_SQL["move_in"], {"patient_id": patient_id, "household_id": household_id})
