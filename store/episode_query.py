"""Looking at episodes as a person: one with its history and notifications, and the closed ones.

What is open, in the order of urgency, is `store.worklist`.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection

_SQL = queries("episode_query")


class Seen(Struct, frozen=True, kw_only=True):
    """One episode as a person in its scope sees it."""

    id: int
    patient_id: int | None
    patient_name: str | None
    node_id: str | None
    dev: str | None
    team_id: int | None
    rule: str
    rule_version: int
    subject: str
    priority: str
    state: str
    confirmation: str
    confirm_by: datetime | None
    late: bool
    onset_at: datetime
    last_evidence_at: datetime
    opened_at: datetime
    reason: str
    evidence: list[Any]
    policy: dict[str, Any]
    step: int
    round: int
    escalate_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_until: datetime | None
    closed_at: datetime | None
    closed_by: str | None
    outcome: str | None
    next_step: str | None
    note: str | None
    time_zone: str


class Step(Struct, frozen=True, kw_only=True):
    """One line of an episode's history. `actor` is 'engine' or 'staff:<id>'."""

    at: datetime
    phase: str
    actor: str
    actor_name: str | None
    reason: str
    detail: dict[str, Any]


class Told(Struct, frozen=True, kw_only=True):
    """One notification of an episode and how far it has come."""

    id: int
    channel: str
    staff_id: int | None
    to_name: str | None
    team_id: int | None
    reason: str
    state: str
    attempts: int
    created_at: datetime
    settled_at: datetime | None
    last_error: str | None


async def find_visible(conn: Connection, *, episode_id: int, staff_id: int) -> Seen | None:
    """One episode if this person may see it; None alike for none and for somebody else's."""
    found = await _seen(conn, staff_id, episode_id=episode_id, limit=1)
    return found[0] if found else None


async def closed(
    conn: Connection,
    *,
    staff_id: int,
    since: datetime,
    patient_id: int | None = None,
    limit: int = 100,
) -> list[Seen]:
    """What was closed since then, newest first."""
    return await _seen(conn, staff_id, patient_id=patient_id, closed_since=since, limit=limit)


async def of_patient(
    conn: Connection, *, patient_id: int, staff_id: int, limit: int = 100
) -> list[Seen]:
    """A patient's episodes, the open ones first, then those closed last."""
    return await _seen(conn, staff_id, patient_id=patient_id, limit=limit)


async def _seen(
    conn: Connection,
    staff_id: int,
    *,
    episode_id: int | None = None,
    patient_id: int | None = None,
    closed_since: datetime | None = None,
    limit: int,
) -> list[Seen]:
    values = {
        "staff_id": staff_id,
        "episode_id": episode_id,
        "patient_id": patient_id,
        "closed_since": closed_since,
        "limit": limit,
    }
    async with conn.cursor(row_factory=class_row(Seen)) as cursor:
        await cursor.execute(_SQL["seen"], values)
        return await cursor.fetchall()


async def history(conn: Connection, episode_id: int) -> list[Step]:
    """What happened to it, in order. The caller has checked the scope."""
    async with conn.cursor(row_factory=class_row(Step)) as cursor:
        await cursor.execute(_SQL["history"], {"episode_id": episode_id})
        return await cursor.fetchall()


async def notifications(conn: Connection, episode_id: int) -> list[Told]:
    """Who was told of it. The caller has checked the scope."""
    async with conn.cursor(row_factory=class_row(Told)) as cursor:
        await cursor.execute(_SQL["notifications"], {"episode_id": episode_id})
        return await cursor.fetchall()
