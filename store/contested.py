"""Readings whose identity is taken by something else: settled by everything ever said of them
(store.settlement says how)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from store import series
from store.contest import (
    BEGINNING,
    Before,
    Contest,
    Effects,
    Line,
    Move,
    Stored,
    Whose,
    as_line,
    decide,
    in_order,
    no_effects,
)
from store.named import queries
from store.pool import Connection
from store.settlement import Change

if TYPE_CHECKING:
    from store.reading import ReadingRow

_SQL = queries("contested")


async def settle_contested(
    conn: Connection, rows: Sequence["ReadingRow"], written: set[int]
) -> list[Change]:
    """Settle the rows of the batch in `incoming_reading` that found their identity taken;
    `written` are those that did not. Part of a transaction."""
    effects = no_effects()
    for contest in await _load(conn, rows, written):
        decide(rows, contest, effects)
    await _carry_out(conn, rows, effects)
    return in_order(effects)


# --- loading ----------------------------------------------------------------------------------


async def _load(conn: Connection, rows: Sequence["ReadingRow"], written: set[int]) -> list[Contest]:
    contests: dict[tuple[object, ...], Contest] = {}
    asked = {"since": BEGINNING, "n": []} | await _lift_old(conn, rows, written)
    for n, *columns in await (await conn.execute(_SQL["came"], asked)).fetchall():
        if n not in written:
            fresh = Contest(_stored(columns), [], [], [])
            contests.setdefault(_identity(rows[n]), fresh).came.append(n)
    if not contests:
        return []
    one_each = {"n": [contest.came[0] for contest in contests.values()]}
    of = {contest.came[0]: contest for contest in contests.values()}
    for n, *columns in await (await conn.execute(_SQL["beside"], one_each)).fetchall():
        of[n].beside.append((columns[-1], _stored(columns[:-1])))
    for n, *columns in await (await conn.execute(_SQL["before"], one_each)).fetchall():
        of[n].lines.append(_line(*columns))
    return list(contests.values())


async def _lift_old(
    conn: Connection, rows: Sequence["ReadingRow"], written: set[int]
) -> dict[str, Any]:
    """Where TimescaleDB has made columns: take the contested readings out of them. What `came` is
    to ask: only these before `since`, because looking through columns takes time."""
    until = await series.columns_until(conn, "reading")
    old = [] if until is None else [row for row in rows if row.measured_at < until]
    if not old:
        return {}
    asked = {"until": until, "written": sorted(written)}
    found = await (await conn.execute(_SQL["in_columns"], asked)).fetchall()
    await series.lift(conn, "reading", {series.Place(*place) for _, *place in found})
    return {"since": until, "n": [n for n, *_ in found]}


def _identity(row: "ReadingRow") -> tuple[object, ...]:
    return (row.device_id, row.kind, row.measured_at, row.ordinal)


def _stored(columns: Sequence[Any]) -> Stored:
    return Stored(tuple(columns[:4]), *columns[4:])


def _line(before: dict[str, Any], deed: int | None, from_: int | None, *to: Any) -> Line:
    move = None if deed is None else Move(from_, Whose(*to))
    return Line(msgspec.convert(before, Before), move)


# --- writing ----------------------------------------------------------------------------------


async def _carry_out(conn: Connection, rows: Sequence["ReadingRow"], effects: Effects) -> None:
    await _run(conn, "step_aside", n=0, rows=[(n,) for n in effects.step_aside])
    await _run(conn, "stand_no_longer", id=0, rows=[(id_,) for id_ in effects.stand_no_longer])
    history = [(n, as_line(one)) for n, one in effects.history]
    await _run(conn, "history", n=0, before=1, rows=history)
    await _run(conn, "said_earlier", id=0, n=1, rows=effects.said_earlier)
    whose = [(n, one.patient_id) for n, one in effects.stand_beside.items()]
    await _run(conn, "stand_beside", n=0, patient_id=1, rows=whose)
    # Readings are changed one by one, by values and not by a join: only so TimescaleDB leaves its
    # columns alone.
    for n, at in effects.said_plainly:
        await conn.execute(_SQL["said_plainly"], _where(rows[n]) | {"at": at})
    for n, one in sorted(effects.hold.items()):
        names = ("patient_id", "set_aside", "assigned_at", "said_at")
        own = {"n": n} | {name: getattr(one, name) for name in names}
        await conn.execute(_SQL["hold"], _where(rows[n]) | own)


def _where(row: "ReadingRow") -> dict[str, Any]:
    names = ("device_id", "kind", "measured_at", "ordinal")
    return dict(zip(names, _identity(row), strict=True))


async def _run(
    conn: Connection, name: str, *, rows: Sequence[tuple[Any, ...]], **columns: int
) -> None:
    """One statement over the columns of these rows; none for none."""
    if rows:
        values = {column: [row[at] for row in rows] for column, at in columns.items()}
        await conn.execute(_SQL[name], values)
