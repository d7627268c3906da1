"""Episodes: one condition of one patient, device or node, from its onset to its outcome.

The evidence is kept with the episode, each piece under a key of its own, so that an engine that
sees a reading twice counts it once. The history is append-only.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from store.named import queries
from store.pool import Connection

_SQL = queries("episode")


class Evidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing an episode rests on. `at` is when it was measured or happened.

    `type` is reading, event, answer, dose or condition. `values` and `flags` are as stored, in
    the canonical unit. `stance` is what the rule made of it, `tier` how grave it counts now,
    `lateness` live, late (15 min to 24 h) or old.
    """

    key: str
    type: str
    at: datetime
    received_at: datetime | None = None
    node_id: str | None = None
    device_id: int | None = None
    kind: str = ""
    ordinal: int = 0
    values: tuple[float | None, ...] = ()
    flags: int = 0
    clock: str = ""
    who: str | None = None
    session_id: str | None = None
    stance: str = ""
    reason: str = ""
    tier: int = 0
    lateness: str = "live"
    detail: dict[str, Any] = {}


class Policy(Struct, frozen=True, kw_only=True):
    """Whom to tell and how fast, stamped when the episode opens; later edits do not change it.

    `ladder` holds staff ids, step 1 first. `via` says how they were found (safety rule 4).
    """

    ladder: tuple[tuple[int, ...], ...] = ()
    escalate_after_s: int = 300
    restart_after_s: int = 600
    via: str = ""
    emergency_number: str = "120"


class Episode(Struct, frozen=True, kw_only=True):
    """One episode as stored; id 0 is not stored yet. See the table for what a column means."""

    id: int = 0
    patient_id: int | None = None
    node_id: str | None = None
    device_id: int | None = None
    team_id: int | None = None
    rule: str
    rule_version: int
    subject: str = ""
    priority: str
    state: str
    confirmation: str = "not_needed"
    confirm_by: datetime | None = None
    late: bool = False
    onset_at: datetime
    last_evidence_at: datetime
    opened_at: datetime
    reason: str
    evidence: tuple[Evidence, ...] = ()
    policy: Policy = Policy()
    step: int = 0
    round: int = 0
    tier: int = 0
    told_tier: int | None = None
    covered_until: datetime | None = None
    escalate_at: datetime | None = None
    unanswered_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: int | None = None
    acknowledged_until: datetime | None = None
    closed_at: datetime | None = None
    closed_by: int | None = None
    outcome: str | None = None
    next_step: str | None = None
    note: str | None = None


class Trace(Struct, frozen=True, kw_only=True):
    """One line of an episode's history: what, by whom, why."""

    phase: str
    reason: str
    detail: dict[str, Any] = {}
    actor: str = "engine"


class Command(Struct, frozen=True, kw_only=True):
    """A command the engine asked for, as far as its answer concerns an episode."""

    id: str
    episode_id: int
    node_id: str
    op: str
    args: dict[str, Any]
    expires_at: datetime


async def find(conn: Connection, episode_id: int, *, lock: bool = False) -> Episode | None:
    """One episode, or None; locked until the transaction ends if asked."""
    query = "find_locked" if lock else "find"
    found = await _episodes(conn, query, {"episode_id": episode_id})
    return found[0] if found else None


async def of_subjects(
    conn: Connection,
    *,
    patients: Mapping[int, datetime],
    devices: Mapping[int, datetime],
    rules: Sequence[str],
) -> list[Episode]:
    """The episodes of these rules that are open, or closed with evidence since each instant.

    Episodes on a device are those without a patient. Locked, in the order of their ids.
    """
    return await _episodes(
        conn,
        "of_subjects",
        {
            "patients": list(patients),
            "patients_since": list(patients.values()),
            "devices": list(devices),
            "devices_since": list(devices.values()),
            "rules": list(rules),
        },
    )


async def of_rule(
    conn: Connection, *, rule: str, subjects: Sequence[str] | None = None, closed_since: datetime
) -> list[Episode]:
    """A rule's episodes that are open or were closed since; of these subjects, or of all."""
    return await _episodes(
        conn,
        "of_rule",
        {
            "rule": rule,
            "subjects": None if subjects is None else list(subjects),
            "closed_since": closed_since,
        },
    )


async def resting_on(conn: Connection, keys: Sequence[str]) -> list[Episode]:
    """Open episodes that rest on any of these pieces of evidence."""
    return await _episodes(conn, "resting_on", {"keys": list(keys)})


async def due(conn: Connection, what: str, *, now: datetime, limit: int = 200) -> list[Episode]:
    """Episodes whose time has come, locked; those another engine holds are left out.

    `what` is 'confirmation', 'escalation', 'answer' or 'acknowledgement'.
    """
    return await _episodes(conn, f"due_{what}", {"now": now, "limit": limit})


async def insert(conn: Connection, episode: Episode) -> int:
    """Store a new episode; raises UniqueViolation where one of its kind is open already."""
    row = await (await conn.execute(_SQL["insert"], _row(episode))).fetchone()
    assert row is not None  # noqa: S101 - INSERT ... RETURNING gives one row or raises
    return int(row[0])


async def save(conn: Connection, episode: Episode) -> None:
    """Store what changed of an episode that was read in this transaction."""
    await conn.execute(_SQL["save"], _row(episode))


async def record(conn: Connection, episode_id: int, at: datetime, traces: Sequence[Trace]) -> None:
    """Append to an episode's history."""
    rows = [
        {
            "episode_id": episode_id,
            "at": at,
            "phase": trace.phase,
            "actor": trace.actor,
            "reason": trace.reason,
            "detail": Jsonb(msgspec.to_builtins(trace.detail)),
        }
        for trace in traces
    ]
    if rows:
        async with conn.cursor() as cursor:
            await cursor.executemany(_SQL["record"], rows)


async def commands(conn: Connection, ids: Sequence[str]) -> dict[str, Command]:
    """Those of these commands that were asked for by an episode."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL["commands"], {"ids": list(ids)})
        rows = [msgspec.convert(row, Command) for row in await cursor.fetchall()]
    return {row.id: row for row in rows}


async def is_visible(conn: Connection, *, episode_id: int, staff_id: int) -> bool:
    """Whether the episode is in this person's scope."""
    values = {"episode_id": episode_id, "staff_id": staff_id}
    return await (await conn.execute(_SQL["is_visible"], values)).fetchone() is not None


def _row(episode: Episode) -> dict[str, Any]:
    row = {name: getattr(episode, name) for name in Episode.__struct_fields__}
    row["evidence"] = Jsonb(msgspec.to_builtins(episode.evidence))
    row["policy"] = Jsonb(msgspec.to_builtins(episode.policy))
    return row


async def _episodes(conn: Connection, query: str, values: dict[str, Any]) -> list[Episode]:
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL[query], values)
        return [msgspec.convert(row, Episode) for row in await cursor.fetchall()]
