"""What holds where several things were said of one reading. Pure.

Something said is a value (what was measured and whose it was said to be), when it was said (when
its message was sent; its arrival where that names no time), and whether as a correction. A choice
by a person is a correction later than everything it was made on. Of the set of all that was ever
said, however often, in whatever order and batches it came:

- *Holds*: the correction said last; without one the value said first. Of the same instant the
  number of the message decides, then the value.
- *History*: every correction but the one that holds, each once; and every value that was said
  without being a correction and is overtaken: a correction to another value was said no earlier
  than this one was first said, in whatever way. Each of these once, the value that holds too.
- *Stands beside it*, shown as a contradiction: every other value that is not overtaken, as it was
  first said.

So without a correction nothing is history, and what is history once stays so, whatever comes: a
correction can only give way to a later one, and the first time of a value only become earlier.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

Values = tuple[float | None, float | None, float | None, float | None]
Value = tuple[Values, int, str | None]


class Said(NamedTuple):
    """One thing said of a reading. `sent_at` is its arrival where the message named no time."""

    values: Values
    flags: int
    who: str | None
    fix: bool
    sent_at: datetime
    seq: int

    @property
    def value(self) -> Value:
        """What counts as the same, said twice."""
        return (self.values, self.flags, self.who)

    @property
    def age(self) -> tuple[object, ...]:
        """The order in which things are taken to have been said."""
        parts = tuple((part is not None, part or 0.0) for part in self.values)
        return (self.sent_at, self.seq, parts, self.flags, self.who or "", self.who is None)


class Settled(NamedTuple):
    """Places among what was said: what holds, what stands beside it, one for each value, and what
    is history now and was not before. `said_at`: where a correction holds, when its value was first
    said without being one."""

    holds: int
    beside: list[int]
    past: list[int]
    said_at: datetime | None


def settle(said: Sequence[Said], before: Sequence[Said] = ()) -> Settled:
    """Everything said of one reading: what is stored of it, what came, and what is in its history
    already, `before`. When a value there was first said need not be known: it is overtaken."""
    order = sorted(range(len(said)), key=lambda place: said[place].age)
    fixes = [place for place in order if said[place].fix]
    # Of the same said twice the first of the list: nothing is written for a repetition.
    holds = max(fixes, key=lambda place: said[place].age) if fixes else order[0]
    held = said[holds]
    overtaken = _overtaken(said, before)
    overtaken |= {one.value for one in before} - {held.value}
    traces = {_trace(held), *map(_trace, before)}
    past = []
    for place in order:
        one = said[place]
        if (one.fix or one.value in overtaken) and _trace(one) not in traces:
            traces.add(_trace(one))
            past.append(place)
    first: dict[Value, int] = {}
    for place in order:
        first.setdefault(said[place].value, place)
    beside = [place for v, place in first.items() if v not in overtaken and v != held.value]
    plainly = [one.sent_at for one in said if one.value == held.value and not one.fix]
    return Settled(holds, beside, past, min(plainly, default=None) if fixes else None)


def _overtaken(said: Sequence[Said], before: Sequence[Said]) -> set[Value]:
    """As far as it is not known from the history: of that only the corrections have their time."""
    fixes = [one for one in (*said, *before) if one.fix]
    first: dict[Value, datetime] = {}
    for one in (*said, *fixes):
        first[one.value] = min(one.sent_at, first.get(one.value, one.sent_at))
    return {v for v, at in first.items() if any(f.value != v and f.sent_at >= at for f in fixes)}


def _trace(one: Said) -> tuple[object, ...]:
    """Each correction leaves a trace of its own, a value that was only said leaves one."""
    return (*one.value, one.sent_at, one.seq) if one.fix else one.value


class Change(NamedTuple):
    """What row number `n` of a batch did, and whose reading it is now.

    `conflicting` values were put beside the reading that holds their identity; `uncontested`
    names what stands there no longer. `withdrawn` names the patient who lost the reading, with
    the values it had.
    """

    n: int
    what: Literal["inserted", "conflicting", "uncontested", "corrected", "withdrawn"]
    patient_id: int | None
    values: Values
    flags: int
