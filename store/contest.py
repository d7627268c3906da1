"""One contested reading: what is stored of it, what came, and what is to be written. Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType

from store.settlement import Change, Said, Settled, Value, Values, settle

if TYPE_CHECKING:
    from store.reading import ReadingRow


BEGINNING: Final = datetime(1, 1, 1, tzinfo=UTC)


class Whose(NamedTuple):
    """With whom a reading is; a person may have said so, or that it is nobody's here, and when."""

    patient_id: int | None
    set_aside: str | None = None
    assigned_at: datetime | None = None


class Stored(NamedTuple):
    """What the database holds of a reading, or has beside it. `said_at`: where a correction holds,
    when its value was first said without being one."""

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
    set_aside: str | None = None
    assigned_at: datetime | None = None
    said_at: datetime | None = None


class Before(Struct, frozen=True):
    """What is needed again of a line of the history; of the oldest ones not all is known."""

    values: Values
    flags: int = 0
    who: str | None = None
    fix: bool = False
    sent_at: datetime | None = None
    received_at: datetime = BEGINNING
    seq: int = 0
    patient_id: int | UnsetType | None = UNSET
    set_aside: str | None = None
    assigned_at: datetime | None = None


class Move(NamedTuple):
    """A person moved the reading, and all of the same patient beside it."""

    from_patient_id: int | None
    to: Whose


class Line(NamedTuple):
    """A line of the history: the reading was corrected or, with `move`, given to somebody."""

    before: Before
    move: Move | None


class Contest(NamedTuple):
    """One reading: what is stored, beside it by its id, and before it, oldest first; and the rows
    that came, by their number in the batch."""

    stored: Stored
    beside: list[tuple[int, Stored]]
    lines: list[Line]
    came: list[int]


class Effects(NamedTuple):
    """What is to be written, by row of the batch or by id, and what to tell of it. Whatever belongs
    to a reading and not to a row of the batch is under any row of the same reading."""

    hold: dict[int, Stored]
    said_plainly: list[tuple[int, datetime]]
    step_aside: list[int]
    stand_beside: dict[int, Stored]
    said_earlier: list[tuple[int, int]]
    stand_no_longer: list[int]
    history: list[tuple[int, Stored]]
    told: list[Change]


# In which order the changes of a batch are told.
_TOLD: Final = ("conflicting", "uncontested", "withdrawn", "corrected")


def no_effects() -> Effects:
    """Nothing to write yet."""
    return Effects({}, [], [], {}, [], [], [], [])


def as_said(one: Stored | Before) -> Said:
    """What counts for settling."""
    sent_at = one.sent_at or one.received_at
    return Said(one.values, one.flags, one.who, one.fix, sent_at, one.seq)


def plainly(one: Stored) -> Stored | None:
    """What holds as a correction, as it was said without being one."""
    return one._replace(fix=False, sent_at=one.said_at) if one.said_at is not None else None


def as_line(one: Stored) -> str:
    """What a line of the history keeps, as JSON."""
    kept = one._asdict()
    del kept["said_at"]
    return msgspec.json.encode(kept).decode()


class _One(NamedTuple):
    """Something said, and where it is: beside the reading by `id`, row `n` of the batch, or
    neither: in the reading."""

    what: Stored
    id: int | None = None
    n: int | None = None


def decide(rows: Sequence["ReadingRow"], contest: Contest, effects: Effects) -> None:
    """Add what follows for one reading."""
    everything = list(_everything(rows, contest))
    before = [as_said(line.before) for line in contest.lines if line.move is None]
    settled = settle([as_said(one.what) for one in everything], before)
    any_n = contest.came[0]
    effects.history.extend((any_n, everything[place].what) for place in settled.past)
    _beside(contest, settled, everything, effects)
    _holds(contest, settled, everything[settled.holds], effects)


def in_order(effects: Effects) -> list[Change]:
    """The changes as they are told: what holds last of all."""
    return sorted(effects.told, key=lambda change: (_TOLD.index(change.what) > 1, change.n))


def _everything(rows: Sequence["ReadingRow"], contest: Contest) -> Iterator[_One]:
    yield _One(contest.stored)
    also = plainly(contest.stored)
    if also is not None:
        yield _One(also)
    for id_, one in contest.beside:
        yield _One(_after(contest.stored, one), id=id_)
    for n in contest.came:
        yield _One(_as_stored(rows[n], _whose(contest, rows[n])), n=n)


def _after(stored: Stored, beside: Stored) -> Stored:
    """What stands beside a plain value was said after it, whatever somebody wrote by hand."""
    holds = as_said(stored)
    if holds.fix or as_said(beside).age > holds.age:
        return beside
    return beside._replace(sent_at=holds.sent_at + timedelta(microseconds=1))


def _as_stored(row: "ReadingRow", whose: Whose) -> Stored:
    said = (row.values, row.flags, row.who, row.fix, row.sent_at, row.received_at, row.seq)
    return Stored(*said, whose.patient_id, row.node_id, row.boot, *whose[1:])


def _holds(contest: Contest, settled: Settled, holder: _One, effects: Effects) -> None:
    was, now = contest.stored, holder.what
    if holder.n is None:
        if settled.said_at is not None and settled.said_at != was.said_at:
            effects.said_plainly.append((contest.came[0], settled.said_at))
        return
    effects.hold[holder.n] = now._replace(said_at=settled.said_at)
    if not now.fix and as_said(now).value == as_said(was).value:
        return  # the same, said earlier
    if now.patient_id != was.patient_id:
        effects.told.append(_change(holder.n, "withdrawn", was))
    effects.told.append(_change(holder.n, "corrected", now))


def _beside(
    contest: Contest, settled: Settled, everything: Sequence[_One], effects: Effects
) -> None:
    any_n = contest.came[0]
    gone: dict[Value, tuple[int, Stored]] = {
        as_said(one).value: (id_, one) for id_, one in contest.beside
    }
    for place in settled.beside:
        one = everything[place]
        stood = gone.pop(as_said(one.what).value, None)
        if one.n is not None and stood is not None:
            effects.said_earlier.append((stood[0], one.n))
        elif one.n is not None:
            effects.stand_beside[one.n] = one.what
            effects.told.append(_change(one.n, "conflicting", one.what))
        elif one.id is None:
            n = any_n if (by := everything[settled.holds].n) is None else by
            effects.step_aside.append(n)
            effects.told.append(_change(n, "conflicting", one.what))
    for id_, one_gone in gone.values():
        effects.stand_no_longer.append(id_)
        effects.told.append(_change(any_n, "uncontested", one_gone))


def _change(n: int, what: str, one: Stored) -> Change:
    return Change(n, what, one.patient_id, one.values, one.flags)  # type: ignore[arg-type]


def _whose(contest: Contest, came: "ReadingRow") -> Whose:
    """A slot is whose it was the first time, and goes wherever people moved it since; also while
    another slot held the reading."""
    stored = contest.stored
    if stored.who == came.who:
        return Whose(stored.patient_id, stored.set_aside, stored.assigned_at)
    whose = Whose(came.patient_id)
    for line in contest.lines:
        was = line.before
        if was.who == came.who and was.patient_id is not UNSET:
            whose = Whose(was.patient_id, was.set_aside, was.assigned_at)
        if line.move is not None and line.move.from_patient_id == whose.patient_id:
            whose = line.move.to
    for _, one in contest.beside:
        if one.who == came.who and one.patient_id != whose.patient_id:
            return Whose(one.patient_id)
    return whose
