"""What holds where several things were said of one reading. Pure.

The outcome depends on what was said, never on the order in which it arrived: the correction sent
last holds; a value that was first said after it contradicts it and stands beside it; everything
else is history. Without a correction the value that came first holds and the others stand beside
it. A value is what was measured and whose it was said to be; one that is said again, by whichever
message, is no news.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

Values = tuple[float | None, float | None, float | None, float | None]


class Said(NamedTuple):
    """One thing said of a reading. `sent_at` is its arrival where the message named no time."""

    values: Values
    flags: int
    who: str | None
    fix: bool
    sent_at: datetime
    seq: int

    @property
    def value(self) -> tuple[Values, int, str | None]:
        """What counts as the same, said twice."""
        return (self.values, self.flags, self.who)


class Settled(NamedTuple):
    """Places among what was said: what holds, what stands beside it, one for each value, what is
    now history; and when the value at each place was first said."""

    holds: int
    beside: list[int]
    past: list[int]
    first_said: list[datetime]


def settle(said: Sequence[Said], before: Sequence[Said] = ()) -> Settled:
    """Everything said of one reading: first what is stored as the reading, then what stands beside
    it, then what came. `before` is its history."""
    first: dict[tuple[Values, int, str | None], datetime] = {}
    for one in (*said, *before):
        first[one.value] = min(one.sent_at, first.get(one.value, one.sent_at))
    holds = _holds(said)
    held = said[holds]
    standing, traces = {held.value}, {_trace(held), *map(_trace, before)}
    beside: list[int] = []
    past: list[int] = []
    for place, one in enumerate(said):
        if one.value == held.value and not one.fix:
            continue
        if not held.fix or first[one.value] > held.sent_at:
            if one.value not in standing:
                beside.append(place)
            standing.add(one.value)
        elif _trace(one) not in traces:
            past.append(place)
            traces.add(_trace(one))
    return Settled(holds, beside, past, [first[one.value] for one in said])


def _holds(said: Sequence[Said]) -> int:
    fixes = [place for place, one in enumerate(said) if one.fix]
    return max(fixes, key=lambda place: (said[place].sent_at, said[place].seq), default=0)


def _trace(one: Said) -> tuple[object, ...]:
    """Each correction leaves a trace of its own, a value that was only said leaves one."""
    return (*one.value, one.sent_at, one.seq) if one.fix else one.value


class Change(NamedTuple):
    """What row number `n` of a batch did, and whose reading it is now.

    `conflicting` rows were stored beside the reading that holds their identity; `uncontested`
    names what stands there no longer. `withdrawn` names the patient who lost the reading, with
    the values it had.
    """

    n: int
    what: Literal["inserted", "conflicting", "uncontested", "corrected", "withdrawn"]
    patient_id: int | None
    values: Values
    flags: int
