"""One patient's page: readings, doses, episodes and devices (the plan is store.plan).

Times are aware UTC, pressures mmHg, pulse per minute. Only `patient` and `episodes` know the
scope: ask `patient` first, and show nothing when it answers None.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from msgspec import Struct
from psycopg.rows import class_row, dict_row

from store.episode import Evidence
from store.named import queries
from store.pool import Connection

_SQL = queries("chart")


class Patient(Struct, frozen=True, kw_only=True):
    """Who the page is about. `profile` is the clinical profile of the team."""

    id: int
    name: str
    sex: str | None
    birth_date: date | None
    phone: str | None
    conditions: list[str]
    frail: bool
    target_sys: int | None
    target_dia: int | None
    area_id: int
    area_name: str
    parent_area_name: str | None
    team_id: int | None
    team_name: str | None
    profile: str
    household_id: int | None
    archived_at: datetime | None
    time_zone: str


class Pressure(Struct, frozen=True, kw_only=True):
    """One blood pressure with everything that speaks about its quality."""

    device_id: int
    ordinal: int
    measured_at: datetime
    received_at: datetime
    claimed_at: datetime | None
    sys: float | None
    dia: float | None
    pulse: float | None
    flags: int
    clock: str
    who: str | None
    session_id: str | None
    context: dict[str, Any] | None
    model: str | None
    conflict: bool
    corrected: bool


class Dose(Struct, frozen=True, kw_only=True):
    """One dose and what became of it."""

    id: str
    plan_item_id: int
    drug: str
    due_at: datetime
    window_from: datetime
    window_to: datetime
    state: str
    state_at: datetime | None
    by: str | None
    why: str | None


class Step(Struct, frozen=True, kw_only=True):
    """One line of an episode's history. `actor` is 'engine' or 'staff:<id>'."""

    episode_id: int
    at: datetime
    phase: str
    actor: str
    reason: str
    detail: dict[str, Any]
    actor_name: str | None


class Episode(Struct, frozen=True, kw_only=True):
    """One episode of a patient, open or closed."""

    id: int
    priority: str
    state: str
    confirmation: str
    late: bool
    rule: str
    rule_version: int
    reason: str
    evidence: list[Evidence]
    tier: int
    onset_at: datetime
    last_evidence_at: datetime
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    closed_at: datetime | None
    closed_by: str | None
    outcome: str | None
    next_step: str | None
    note: str | None


class Device(Struct, frozen=True, kw_only=True):
    """A node of the patient, and the device behind it that measures them (None: the node only)."""

    node_id: str
    node_label: str
    node_model: str | None
    device_id: int | None
    dev: str | None
    type: str | None
    maker: str | None
    model: str | None
    who: str | None
    state: str | None
    battery: int | None
    seen_at: datetime | None
    subs: dict[str, str] | None
    plan_revision: int | None


async def patient(
    conn: Connection, *, patient_id: int, staff_id: int, now: datetime
) -> Patient | None:
    """The patient; None when unknown or outside the person's scope (the caller cannot tell)."""
    args = {"patient_id": patient_id, "staff_id": staff_id, "now": now}
    async with conn.cursor(row_factory=class_row(Patient)) as cursor:
        return await (await cursor.execute(_SQL["patient"], args)).fetchone()


async def pressures(
    conn: Connection, *, patient_id: int, since: datetime, until: datetime, limit: int = 5000
) -> list[Pressure]:
    """Blood pressures measured in [since, until), newest first."""
    args = {"patient_id": patient_id, "since": since, "until": until, "limit": limit}
    async with conn.cursor(row_factory=class_row(Pressure)) as cursor:
        return await (await cursor.execute(_SQL["pressures"], args)).fetchall()


async def doses(
    conn: Connection, *, patient_id: int, since: datetime, until: datetime, limit: int = 5000
) -> list[Dose]:
    """Doses of medication due in [since, until), oldest first; withdrawn ones left out."""
    args = {"patient_id": patient_id, "since": since, "until": until, "limit": limit}
    async with conn.cursor(row_factory=class_row(Dose)) as cursor:
        return await (await cursor.execute(_SQL["doses"], args)).fetchall()


async def episodes(
    conn: Connection, *, patient_id: int, staff_id: int, limit: int = 50
) -> list[Episode]:
    """The patient's episodes, the open ones first, then the newest."""
    args = {"patient_id": patient_id, "staff_id": staff_id, "limit": limit}
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL["episodes"], args)
        return [msgspec.convert(row, Episode) for row in await cursor.fetchall()]


async def history(conn: Connection, *, episode_ids: Sequence[int]) -> dict[int, list[Step]]:
    """What happened to each of these episodes, in order. The caller has checked the scope."""
    steps: dict[int, list[Step]] = defaultdict(list)
    async with conn.cursor(row_factory=class_row(Step)) as cursor:
        await cursor.execute(_SQL["history"], {"episode_ids": list(episode_ids)})
        for step in await cursor.fetchall():
            steps[step.episode_id].append(step)
    return dict(steps)


async def devices(conn: Connection, *, patient_id: int, now: datetime) -> list[Device]:
    """The patient's nodes with the devices that measure them now."""
    async with conn.cursor(row_factory=class_row(Device)) as cursor:
        await cursor.execute(_SQL["devices"], {"patient_id": patient_id, "now": now})
        return await cursor.fetchall()
