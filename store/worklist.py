"""What waits for a person: open episodes in order, people, loose ends.

Every query takes the staff id and shows only what that person's scope allows.
"""

from datetime import date, datetime

import msgspec
from msgspec import Struct
from psycopg.rows import class_row, dict_row

from store.episode import Evidence
from store.named import queries
from store.pool import Connection

_SQL = queries("worklist")

# The sections of the worklist, most urgent first.
SECTIONS = ("high", "expired", "pending", "medium", "low", "technical", "in_hand")


class Candidate(Struct, frozen=True, kw_only=True):
    """Somebody a reading without an owner may have been taken from."""

    id: int
    name: str
    phone: str | None


class Entry(Struct, frozen=True, kw_only=True):
    """One open episode as the worklist shows it. `section` is one of SECTIONS."""

    id: int
    section: str
    priority: str
    state: str
    confirmation: str
    confirm_by: datetime | None
    late: bool
    rule: str
    rule_version: int
    subject: str
    tier: int
    reason: str
    evidence: list[Evidence]
    onset_at: datetime
    last_evidence_at: datetime
    opened_at: datetime
    step: int
    round: int
    acknowledged_at: datetime | None
    acknowledged_until: datetime | None
    acknowledged_by: str | None
    patient_id: int | None
    patient_name: str | None
    sex: str | None
    birth_date: date | None
    phone: str | None
    area_name: str | None
    team_name: str | None
    node_id: str | None
    node_label: str | None
    time_zone: str
    candidates: list[Candidate]


class PatientLine(Struct, frozen=True, kw_only=True):
    """One line of the list of people; pressures in mmHg, pulse per minute."""

    id: int
    name: str
    sex: str | None
    birth_date: date | None
    area_name: str
    team_name: str | None
    time_zone: str
    frail: bool
    target_sys: int | None
    target_dia: int | None
    profile: str
    measured_at: datetime | None
    sys: float | None
    dia: float | None
    pulse: float | None
    flags: int | None
    open_priority: str | None
    open_episodes: int


class RejectLine(Struct, frozen=True, kw_only=True):
    """One kind of refusal of one node, with its newest example."""

    node_id: str | None
    node_label: str | None
    code: str
    path: str | None
    times: int
    first_at: datetime
    last_at: datetime
    reason: str
    got: str | None
    topic: str


async def entries(
    conn: Connection, *, staff_id: int, now: datetime, limit: int = 500
) -> list[Entry]:
    """The open episodes a person may act on, in the order of SECTIONS, oldest first within."""
    return await _entries(conn, staff_id=staff_id, now=now, limit=limit, episode_id=None)


async def entry(conn: Connection, *, episode_id: int, staff_id: int, now: datetime) -> Entry | None:
    """One open episode; None when it is closed, unknown or not the person's to see."""
    found = await _entries(conn, staff_id=staff_id, now=now, limit=1, episode_id=episode_id)
    return found[0] if found else None


async def _entries(
    conn: Connection, *, staff_id: int, now: datetime, limit: int, episode_id: int | None
) -> list[Entry]:
    args = {"staff_id": staff_id, "now": now, "limit": limit, "episode_id": episode_id}
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL["entries"], args)
        return [msgspec.convert(row, Entry) for row in await cursor.fetchall()]


async def urgent(conn: Connection, *, staff_id: int, now: datetime) -> int:
    """How many high episodes wait for somebody, expired acknowledgements included."""
    cursor = await conn.execute(_SQL["urgent"], {"staff_id": staff_id, "now": now})
    return int((await cursor.fetchall())[0][0])


async def patients(
    conn: Connection,
    *,
    staff_id: int,
    now: datetime,
    search: str = "",
    limit: int = 100,
    offset: int = 0,
) -> list[PatientLine]:
    """The people in a person's scope whose name, phone or place contains `search`."""
    args = {
        "staff_id": staff_id,
        "now": now,
        "pattern": _pattern(search),
        "limit": limit,
        "offset": offset,
    }
    async with conn.cursor(row_factory=class_row(PatientLine)) as cursor:
        return await (await cursor.execute(_SQL["patients"], args)).fetchall()


def _pattern(search: str) -> str | None:
    """The text as an ILIKE pattern in which nothing but the text itself has a meaning."""
    text = search.strip()
    if not text:
        return None
    for special in ("\\", "%", "_"):
        text = text.replace(special, "\\" + special)
    return f"%{text}%"


async def rejects(
    conn: Connection, *, staff_id: int, since: datetime, limit: int = 200
) -> list[RejectLine]:
    """What was refused since an instant, one line per node and defect, newest first."""
    args = {"staff_id": staff_id, "since": since, "limit": limit}
    async with conn.cursor(row_factory=class_row(RejectLine)) as cursor:
        return await (await cursor.execute(_SQL["rejects"], args)).fetchall()
