"""Aggregates: readings by the patient's own day, dense series by minute; the same on every server.

What changed is read from the feed (`advance`) and marked; what is marked is computed anew from what
is stored (`refresh`), so late rows, corrections, reassignments and withdrawals need no care of
their own. All calls are part of a transaction, small ones, until they return 0.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from msgspec import Struct
from psycopg.rows import class_row

from contract.instants import EPOCH
from contract.vitals import FLAGS
from store import feed, series
from store.feed import BlockItem, ReadingItem
from store.named import queries
from store.pool import Connection

_SQL = queries("aggregate")

CONSUMER: Final = "aggregate"
NOT_COUNTING: Final = sum(flag.mask for flag in FLAGS.values() if not flag.counts)
_DAY: Final = timedelta(days=1)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)

Values = list[float | None]


class Day(Struct, frozen=True, kw_only=True):
    """One vital sign of a patient on one of their days; lists follow v0..v3. `n` readings count,
    `left_out` do not and are in nothing else."""

    day: date
    n: int
    left_out: int
    low: Values
    high: Values
    mean: Values
    first: Values
    last: Values
    first_at: datetime | None
    last_at: datetime | None


class Minute(Struct, frozen=True, kw_only=True):
    """The `n` samples of one minute of a dense series; `left_out`: they count for nothing."""

    device_id: int
    part: int
    at: datetime
    left_out: bool
    flags: int
    n: int
    low: float
    mean: float
    high: float


async def days(
    conn: Connection, *, patient_id: int, kind: str, since: date, until: date
) -> list[Day]:
    """Days in [since, until), oldest first; one without readings is not there."""
    args = {"patient_id": patient_id, "kind": kind, "since": since, "until": until}
    async with conn.cursor(row_factory=class_row(Day)) as cursor:
        return await (await cursor.execute(_SQL["days"], args)).fetchall()


async def minutes(
    conn: Connection, *, patient_id: int, kind: str, since: datetime, until: datetime
) -> list[Minute]:
    """Minutes that begin in [since, until), oldest first; one without samples is not there."""
    args = {"patient_id": patient_id, "kind": kind, "since": since, "until": until}
    async with conn.cursor(row_factory=class_row(Minute)) as cursor:
        return await (await cursor.execute(_SQL["minutes"], args)).fetchall()


# --- what is due --------------------------------------------------------------------------------


async def advance(conn: Connection, *, limit: int = 20) -> int:
    """Mark what the next batches of the feed changed; how many batches there were."""
    batches = await feed.read_after(conn, await feed.position(conn, CONSUMER), limit=limit)
    if not batches:
        return 0
    items = [item for batch in batches for item in batch.items]
    await _mark_days(conn, (item for item in items if isinstance(item, ReadingItem)))
    await mark_blocks(
        conn,
        {
            (item.patient_id, item.kind, item.start_at, item.samples, item.step_ms)
            for item in items
            if isinstance(item, BlockItem) and item.patient_id is not None
        },
    )
    await feed.move(conn, CONSUMER, batches[-1].id)
    return len(batches)


async def _mark_days(conn: Connection, items: Iterable[ReadingItem]) -> None:
    changed = {(i.patient_id, i.kind, i.measured_at) for i in items if i.patient_id is not None}
    if not changed:
        return
    kinds = sorted({kind for _, kind, _ in changed})
    places = {kind: place for place, kind in enumerate(kinds, 1)}
    values = {
        "patient_id": _numbers(patient for patient, _, _ in changed),
        "kinds": kinds,
        "kind": _numbers(places[kind] for _, kind, _ in changed),
        "at": _numbers((at - EPOCH) // _MICROSECOND for _, _, at in changed),
    }
    await conn.execute(_SQL["mark_days"], values)


def _numbers(numbers: Iterable[int]) -> str:
    """As PostgreSQL writes an array; a tenth of the time that a list takes."""
    return "{" + ",".join(map(str, numbers)) + "}"


async def mark_blocks(
    conn: Connection, blocks: Iterable[tuple[int, str, datetime, int, int]]
) -> None:
    """Dense series changed: patient, kind, start, number of samples, step in milliseconds."""
    changed = [
        (patient, kind, start, start + (samples - 1) * step * _MILLISECOND, step * _MILLISECOND)
        for patient, kind, start, samples, step in blocks
        if samples > 0
    ]
    if not changed:
        return
    names = ("patient_id", "kind", "since", "until", "step")
    columns = {name: [row[n] for row in changed] for n, name in enumerate(names)}
    await conn.execute(_SQL["mark_hours"], columns)
    longest = max(until - since for _, _, since, until, _ in changed)
    await conn.execute(_SQL["longer"], {"longest": longest})


# --- computing ----------------------------------------------------------------------------------


async def refresh_days(conn: Connection, *, limit: int = 500) -> int:
    """Compute some of the days that are due; how many."""
    args = {"limit": limit, "not_counting": NOT_COUNTING}
    row = await (await conn.execute(_SQL["refresh_days"], args)).fetchone()
    return int(row[0]) if row else 0


async def refresh_hours(conn: Connection, *, kept_since: datetime, limit: int = 200) -> int:
    """Compute some of the hours that are due; how many. Hours before `kept_since`, when dense
    series may be dropped, are not computed a second time."""
    due = await (await conn.execute(_SQL["take_hours"], {"limit": limit})).fetchall()
    if not due:
        return 0
    longest = await _longest(conn)
    hours = [row[2] for row in due]
    args = {
        "patient_id": [row[0] for row in due],
        "kind": [row[1] for row in due],
        "hour": hours,
        "kept_since": kept_since,
        "not_counting": NOT_COUNTING,
        "longest": longest,
        "first": min(hours) - longest,
        "last": max(hours) + timedelta(hours=1),
    }
    await conn.execute(_SQL["clear_hours"], args)
    await conn.execute(_SQL["fill_hours"], args)
    return len(due)


async def _longest(conn: Connection) -> timedelta:
    row = await (await conn.execute(_SQL["longest"])).fetchone()
    return row[0] if row else timedelta(0)


# --- what was stored before ---------------------------------------------------------------------


async def has_begun(conn: Connection) -> bool:
    """Whether anybody computes aggregates of this database."""
    row = await (await conn.execute(_SQL["begun"])).fetchone()
    return row is not None and bool(row[0])


async def begin(conn: Connection) -> None:
    """The first time: what is stored already is to be computed, piece by piece."""
    if (await conn.execute(_SQL["begin"])).rowcount == 0:
        return
    tables: tuple[series.Series, ...] = ("reading", "block")
    for table in tables:
        for piece in await series.pieces(conn, table):
            args = {"series": table, "since": piece.since, "until": piece.until}
            await conn.execute(_SQL["again"], args)


async def advance_again(conn: Connection) -> int:
    """Mark a day of what is to be computed again, or all of one patient; 0: nothing is."""
    row = await (await conn.execute(_SQL["take_again"])).fetchone()
    if row is None:
        return 0
    id_, table, patient_id, since, until = row
    upto = None if patient_id is not None else min(until, since + _DAY)
    await _mark_again(conn, table, {"patient_id": patient_id, "since": since, "until": upto})
    if upto is not None and upto < until:
        await conn.execute(_SQL["move_again"], {"id": id_, "since": upto})
    else:
        await conn.execute(_SQL["end_again"], {"id": id_})
    return 1


async def _mark_again(conn: Connection, table: str, stretch: dict[str, Any]) -> None:
    if stretch["patient_id"] is not None:
        await conn.execute(_SQL["mark_days_of"], stretch)
    elif table == "reading":
        await conn.execute(_SQL["mark_days_between"], stretch)
    else:
        cursor = await conn.execute(_SQL["blocks_between"], stretch)
        rows: Sequence[tuple[int, str, datetime, int, int]] = await cursor.fetchall()
        await mark_blocks(conn, rows)
