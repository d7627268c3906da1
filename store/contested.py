"""Readings whose identity is taken by something else: settled by everything ever said of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from store import series
from store.named import queries
from store.pool import Connection
from store.settlement import Change, Said, Settled, Values, settle

if TYPE_CHECKING:
    from store.reading import ReadingRow

_SQL = queries("contested")

BEGINNING: Final = datetime(1, 1, 1, tzinfo=UTC)


class Stored(NamedTuple):
    """What the database holds of a reading, or has beside it."""

    values: Values
    flags: int
    who: str | None
    fix: bool
    sent_at: datetime | None
    received_at: datetime
    seq: int
    patient_id: int | None
    node_id: str
    boot: int


class _Before(Struct, frozen=True):
    """What is needed again of a line of the history."""

    values: Values
    flags: int
    who: str | None
    fix: bool
    sent_at: datetime | None
    received_at: datetime
    seq: int


class _Contest(NamedTuple):
    """One reading: what is stored, beside it by its id, and before it; and the rows that came."""

    stored: Stored
    beside: list[tuple[int, Stored]]
    before: list[_Before]
    came: list[int]


class _Effects(NamedTuple):
    """What is to be written, by row of the batch or by id."""

    reading_said_earlier: list[tuple[int, datetime]]
    beside_said_earlier: list[tuple[int, datetime]]
    step_aside: list[int]
    stand_no_longer: list[int]
    stand_beside: dict[int, Stored]
    history: list[tuple[int, Stored]]
    correct: dict[int, Stored]
    uncontested: list[Change]


async def settle_contested(
    conn: Connection, rows: Sequence["ReadingRow"], written: set[int]
) -> list[Change]:
    """Settle the rows of the batch in `incoming_reading` that found their identity taken;
    `written` are those that did not. Part of a transaction."""
    contests = await _load(conn, rows, written)
    if not contests:
        return []
    effects = _Effects([], [], [], [], {}, [], {}, [])
    for contest in contests:
        _decide(rows, contest, effects)
    corrected = await _carry_out(conn, rows, effects)
    return [
        *(
            Change(n, "conflicting", *_shown(one))
            for n, one in sorted(effects.stand_beside.items())
        ),
        *effects.uncontested,
        *_corrections(rows, effects, corrected),
    ]


def _shown(one: Stored) -> tuple[int | None, Values, int]:
    return one.patient_id, one.values, one.flags


def _corrections(
    rows: Sequence["ReadingRow"], effects: _Effects, corrected: list[tuple[int, int | None]]
) -> list[Change]:
    changes = []
    for n, patient_id in corrected:
        row, old = rows[n], effects.correct[n]
        if patient_id != old.patient_id:
            changes.append(Change(n, "withdrawn", old.patient_id, old.values, old.flags))
        changes.append(Change(n, "corrected", patient_id, row.values, row.flags))
    return changes


# --- loading ----------------------------------------------------------------------------------


async def _load(
    conn: Connection, rows: Sequence["ReadingRow"], written: set[int]
) -> list[_Contest]:
    contests: dict[tuple[object, ...], _Contest] = {}
    asked = {"since": BEGINNING, "n": []} | await _lift_old(conn, rows, written)
    for n, *columns in await (await conn.execute(_SQL["came"], asked)).fetchall():
        if n not in written:
            fresh = _Contest(_stored(columns), [], [], [])
            contests.setdefault(_identity(rows[n]), fresh).came.append(n)
    if not contests:
        return []
    one_each = {"n": [contest.came[0] for contest in contests.values()]}
    of = {contest.came[0]: contest for contest in contests.values()}
    for n, *columns in await (await conn.execute(_SQL["beside"], one_each)).fetchall():
        of[n].beside.append((columns[-1], _stored(columns[:-1])))
    for n, before in await (await conn.execute(_SQL["before"], one_each)).fetchall():
        of[n].before.append(msgspec.convert(before, _Before))
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


def _as_stored(row: "ReadingRow") -> Stored:
    said = (row.values, row.flags, row.who, row.fix, row.sent_at, row.received_at, row.seq)
    return Stored(*said, row.patient_id, row.node_id, row.boot)


def _said(one: Stored | _Before) -> Said:
    sent_at = one.sent_at or one.received_at
    return Said(one.values, one.flags, one.who, one.fix, sent_at, one.seq)


# --- deciding ---------------------------------------------------------------------------------


def _decide(rows: Sequence["ReadingRow"], contest: _Contest, effects: _Effects) -> None:
    """Add what follows for one reading."""
    # Earliest first, so that what is kept of a value is the message that said it first.
    came = sorted(contest.came, key=lambda n: _sent(rows[n]))
    everything = [
        contest.stored,
        *(stored for _, stored in contest.beside),
        *(_owned(contest, _as_stored(rows[n])) for n in came),
    ]
    settled = settle([_said(one) for one in everything], [_said(b) for b in contest.before])
    first_came = 1 + len(contest.beside)
    _date_back(contest, settled, effects)
    _beside(contest, settled, dict(enumerate(came, first_came)), everything, effects)
    effects.history.extend((came[0], everything[place]) for place in settled.past)
    if settled.holds >= first_came:
        effects.correct[came[settled.holds - first_came]] = contest.stored


def _owned(contest: _Contest, came: Stored) -> Stored:
    """A person may have said whose the reading is: then what is said of the same slot is theirs."""
    said = (contest.stored, *(stored for _, stored in contest.beside))
    of_slot = next((one for one in said if one.who == came.who), came)
    return came._replace(patient_id=of_slot.patient_id)


def _sent(row: "ReadingRow") -> tuple[datetime, int]:
    return (row.sent_at or row.received_at, row.seq)


def _date_back(contest: _Contest, settled: Settled, effects: _Effects) -> None:
    """What is stored may have been said earlier, by a message that came later."""
    stored = _said(contest.stored)
    if not stored.fix and settled.first_said[0] < stored.sent_at:
        effects.reading_said_earlier.append((contest.came[0], settled.first_said[0]))
    for place, (id_, beside) in enumerate(contest.beside, 1):
        if settled.first_said[place] < _said(beside).sent_at:
            effects.beside_said_earlier.append((id_, settled.first_said[place]))


def _beside(
    contest: _Contest,
    settled: Settled,
    came: dict[int, int],
    everything: list[Stored],
    effects: _Effects,
) -> None:
    stays = set(settled.beside)
    if 0 in stays:
        effects.step_aside.append(contest.came[0])
    effects.stand_beside.update({came[p]: everything[p] for p in settled.beside if p in came})
    for place, (id_, one) in enumerate(contest.beside, 1):
        if place not in stays:
            effects.stand_no_longer.append(id_)
            gone = Change(contest.came[0], "uncontested", *_shown(one))
            effects.uncontested.append(gone)


# --- writing ----------------------------------------------------------------------------------


async def _carry_out(
    conn: Connection, rows: Sequence["ReadingRow"], effects: _Effects
) -> list[tuple[int, int | None]]:
    """Write it all; whose the corrected readings are now, by row of the batch."""
    earlier = [_where(rows[n]) | {"at": at} for n, at in effects.reading_said_earlier]
    if earlier:
        await conn.cursor().executemany(_SQL["reading_said_earlier"], earlier)
    await _run(conn, "beside_said_earlier", id=0, at=1, rows=effects.beside_said_earlier)
    await _run(conn, "step_aside", n=0, rows=[(n,) for n in effects.step_aside])
    await _run(conn, "stand_no_longer", id=0, rows=[(id_,) for id_ in effects.stand_no_longer])
    history = [(n, msgspec.json.encode(one._asdict()).decode()) for n, one in effects.history]
    await _run(conn, "history", n=0, before=1, rows=history)
    whose = [(n, one.patient_id) for n, one in effects.stand_beside.items()]
    await _run(conn, "stand_beside", n=0, patient_id=1, rows=whose)
    return [await _correct(conn, n, rows[n]) for n in sorted(effects.correct)]


async def _correct(conn: Connection, n: int, row: "ReadingRow") -> tuple[int, int | None]:
    cursor = await conn.execute(_SQL["correct"], _where(row) | {"n": n})
    changed = await cursor.fetchone()
    return n, changed[0] if changed else None


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
