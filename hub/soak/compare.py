"""What must be there against what is there, group by group. Pure: rows in, findings out."""

import math
from collections.abc import AsyncIterator, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from store.ledger_check import Due, Group, Held

MISSING: Final = "missing"
DUPLICATE: Final = "duplicate"
WRONG: Final = "wrong"
EXTRA: Final = "extra"
# Relative: blocks are stored in single precision.
_PRECISION: Final = {"reading": 1e-9, "block": 1e-6}

Row = TypeVar("Row")


class Finding(NamedTuple):
    """One row that is not as it must be. It says what differs, never a value."""

    what: str  # missing | duplicate | wrong | extra
    group: Group
    boot: int
    seq: int
    says: str

    def __str__(self) -> str:
        g = self.group
        at = f" at {g.at_ms} part {g.part}" if g.at_ms else ""
        of = f"{g.node_id} {g.dev or 'itself'} {g.kind}{at}, message {self.boot}/{self.seq}"
        return f"{self.what}: {g.what} of {of}: {self.says}"


class _Stream(Generic[Row]):
    """One sorted stream, read a group at a time."""

    def __init__(self, rows: AsyncIterator[tuple[Group, Row]]) -> None:
        self._rows = rows
        self.row: tuple[Group, Row] | None = None

    async def step(self) -> None:
        self.row = await anext(self._rows, None)

    async def take(self, group: Group) -> list[Row]:
        taken: list[Row] = []
        while self.row is not None and self.row[0] == group:
            taken.append(self.row[1])
            await self.step()
        return taken


async def together(
    due: AsyncIterator[tuple[Group, Due]], held: AsyncIterator[tuple[Group, Held]]
) -> AsyncIterator[tuple[Group, list[Due], list[Held]]]:
    """Two streams sorted by group into one of groups; either list may be empty, not both."""
    dues, helds = _Stream(due), _Stream(held)
    await dues.step()
    await helds.step()
    while dues.row is not None or helds.row is not None:
        group = min(row[0] for row in (dues.row, helds.row) if row is not None)
        yield group, await dues.take(group), await helds.take(group)


def judge(group: Group, due: Sequence[Due], held: Sequence[Held]) -> list[Finding]:
    """What is not as it must be in one group; nearly always nothing."""
    if len(due) == len(held) == 1 and not held[0].aside and _answered(group, due, held[0]):
        return []
    missing, surplus = list(due), []
    for row in held:
        answered = _answered(group, missing, row)
        if answered is None:
            surplus.append(row)
        else:
            missing.remove(answered)
    findings = [_explained(group, due, missing, row) for row in surplus]
    if any(d.role == "fix" for d in due):
        return findings + _of_corrections(group, due, held)
    lost = [d for d in missing if d.taken]
    if held and not any(not row.aside for row in held):
        findings.append(_found(WRONG, group, held[0], "kept beside a reading that is not there"))
    return findings + [_found(MISSING, group, d, "receipted and not there") for d in lost]


def _answered(group: Group, due: Sequence[Due], row: Held) -> Due | None:
    for one in due:
        if _same_message(one, row) and not _differ(group, one, row):
            return one
    return None


def _of_corrections(group: Group, due: Sequence[Due], held: Sequence[Held]) -> list[Finding]:
    """The latest correction holds the identity; what it took the place of is in the history."""
    fixes = [d for d in due if d.role == "fix"]
    main = next((row for row in held if not row.aside), None)
    if main is None:
        return [_found(MISSING, group, d, "receipted and not there") for d in due if d.taken]
    mine = next((d for d in fixes if _same_message(d, main)), None)
    later = [d for d in fixes if d.taken and (mine is None or _age(d) > _age(mine))]
    return [_found(MISSING, group, d, "the correction was receipted and not made") for d in later]


def _age(due: Due) -> tuple[int, int]:
    return due.sent_ms, due.seq


def _explained(group: Group, due: Sequence[Due], missing: list[Due], row: Held) -> Finding:
    """Why a row that is there answers to nothing that must be; a wrong one is not missing too."""
    same = [d for d in due if _same_message(d, row)]
    if not same:
        return _found(EXTRA, group, row, "nobody sent it")
    unanswered = next((d for d in missing if _same_message(d, row)), None)
    if unanswered is None:
        return _found(DUPLICATE, group, row, "it is there already")
    missing.remove(unanswered)
    return _found(WRONG, group, row, f"another {_differ(group, unanswered, row)}")


def _same_message(due: Due, row: Held) -> bool:
    return (due.boot, due.seq) == (row.boot, row.seq)


def _differ(group: Group, due: Due, row: Held) -> str:
    """In what a row differs from what is due; empty: in nothing."""
    if not _equal(due.values, row.values, _PRECISION[group.what]):
        return "value"
    if due.patient_id != row.patient_id:
        return "patient"
    if row.aside:
        return ""
    if group.what == "reading" and (due.who or None) != (row.who or None):
        return "slot"
    return "" if due.clock == row.clock else f"clock quality ({row.clock} for {due.clock})"


def _equal(one: Sequence[float | None], other: Sequence[float | None], precision: float) -> bool:
    if list(one) == list(other):
        return True
    left, right = _trimmed(one), _trimmed(other)
    return len(left) == len(right) and all(
        a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=precision))
        for a, b in zip(left, right, strict=True)
    )


def _trimmed(values: Sequence[float | None]) -> list[float | None]:
    """Without the empty places at the end; what is no number is an empty place."""
    found = [None if v is None or math.isnan(v) else v for v in values]
    while found and found[-1] is None:
        found.pop()
    return found


def _found(what: str, group: Group, row: Due | Held, says: str) -> Finding:
    return Finding(what, group, row.boot, row.seq, says)
