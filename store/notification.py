"""The outbox: what is to be told to whom, written with the episode, sent afterwards."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from store.named import queries
from store.pool import Connection

_SQL = queries("notification")


class New(Struct, frozen=True, kw_only=True):
    """A notification to write. `settled_at` set: delivered by being written (the console)."""

    episode_id: int
    idempotency_key: str
    channel: str
    staff_id: int | None = None
    team_id: int | None = None
    contact_id: int | None = None
    round: int
    step: int
    reason: str
    body: dict[str, Any]
    created_at: datetime
    next_attempt_at: datetime
    state: str = "queued"
    settled_at: datetime | None = None


class Due(Struct, frozen=True, kw_only=True):
    """A notification claimed for sending, with what decides whether it is still true.

    `address` is None when the contact was disabled meanwhile. `attempts` counts this one.
    """

    id: int
    episode_id: int
    idempotency_key: str
    channel: str
    contact_id: int | None
    round: int
    step: int
    reason: str
    body: dict[str, Any]
    created_at: datetime
    attempts: int
    address: str | None
    secret: str | None
    episode_state: str


async def put(conn: Connection, new: Sequence[New]) -> int:
    """Write notifications; those with a key already there are left as they are."""
    rows = [{**msgspec.structs.asdict(one), "body": Jsonb(one.body)} for one in new]
    if not rows:
        return 0
    async with conn.cursor() as cursor:
        await cursor.executemany(_SQL["put"], rows)
        return cursor.rowcount


async def claim_due(
    conn: Connection,
    *,
    now: datetime,
    lease_until: datetime,
    limit: int,
    each: int,
    busy: Sequence[int] = (),
) -> list[Due]:
    """Take what is due, leased so that nobody else sends it until `lease_until`.

    At most `each` for one contact, and none for the `busy` ones, which still have some in
    flight: one that hangs holds up nobody else.
    """
    values = {
        "now": now,
        "lease_until": lease_until,
        "limit": limit,
        "each": each,
        "busy": list(busy),
    }
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL["claim_due"], values)
        return [msgspec.convert(row, Due) for row in await cursor.fetchall()]


async def settle(
    conn: Connection, notification_id: int, *, state: str, now: datetime, error: str | None = None
) -> None:
    """The end of a notification: delivered, failed (needs a person) or dropped (not true now)."""
    await conn.execute(
        _SQL["settle"], {"id": notification_id, "state": state, "now": now, "error": error}
    )


async def try_again(conn: Connection, notification_id: int, *, at: datetime, error: str) -> None:
    """It did not work this time: again from `at` on."""
    await conn.execute(_SQL["try_again"], {"id": notification_id, "at": at, "error": error})


async def delivered(
    conn: Connection, notification_id: int, *, at: datetime, outcome: str, detail: str, took_ms: int
) -> None:
    """Record one attempt: delivered, try_again or needs_person."""
    await conn.execute(
        _SQL["delivery"],
        {
            "id": notification_id,
            "at": at,
            "outcome": outcome,
            "detail": detail,
            "took_ms": took_ms,
        },
    )


async def drop_queued(conn: Connection, episode_id: int, *, now: datetime, why: str) -> int:
    """Nobody needs to be told any more; returns how many were not sent."""
    values = {"episode_id": episode_id, "now": now, "why": why}
    return (await conn.execute(_SQL["drop_queued"], values)).rowcount


class Step(Struct, frozen=True, kw_only=True):
    """One step of one episode's ladder, in one round."""

    episode_id: int
    round: int
    step: int


async def unreached(conn: Connection, *, before: datetime, now: datetime) -> list[Step]:
    """Present steps that were first tried before an instant and have reached nobody since."""
    async with conn.cursor(row_factory=class_row(Step)) as cursor:
        await cursor.execute(_SQL["unreached"], {"before": before, "now": now})
        return await cursor.fetchall()


async def others_may_arrive(conn: Connection, due: Due) -> bool:
    """Whether another address of the same step was reached, or may still be."""
    values = {
        "id": due.id,
        "episode_id": due.episode_id,
        "round": due.round,
        "step": due.step,
    }
    return await (await conn.execute(_SQL["others"], values)).fetchone() is not None
