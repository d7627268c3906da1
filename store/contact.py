"""Where people are told beside the console: webhooks of a person or of a whole team."""

from collections.abc import Sequence

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection

_SQL = queries("contact")


class Contact(Struct, frozen=True, kw_only=True):
    """One address. `secret` signs what is sent there; `shows_patient` lets names and values out."""

    id: int
    team_id: int | None
    staff_id: int | None
    channel: str
    address: str
    secret: str
    shows_patient: bool


class About(Struct, frozen=True, kw_only=True):
    """What a message may need to say of the person: name only where allowed, zone for times."""

    patient_name: str | None
    time_zone: str


async def of(conn: Connection, *, staff_ids: Sequence[int], team_id: int | None) -> list[Contact]:
    """The addresses in use of these people and of this team."""
    values = {"staff_ids": list(staff_ids), "team_id": team_id}
    async with conn.cursor(row_factory=class_row(Contact)) as cursor:
        return await (await cursor.execute(_SQL["of"], values)).fetchall()


async def about(conn: Connection, *, patient_id: int | None, node_id: str | None) -> About:
    """The patient's name and the time zone of the place."""
    values = {"patient_id": patient_id, "node_id": node_id}
    async with conn.cursor(row_factory=class_row(About)) as cursor:
        found = await (await cursor.execute(_SQL["about"], values)).fetchone()
    return found or About(patient_name=None, time_zone="Asia/Shanghai")
