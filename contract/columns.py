"""One series laid out: which columns, in which unit, within the possible, in canonical units.

Every function raises `Refused` for its series alone; the caller goes on with the next one.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from contract.errors import Refused, refused
from contract.messages import Series
from contract.pointer import pointer
from contract.vitals import VITALS, Part, Unit, Vital

Values = list[float | None]


class Column(NamedTuple):
    """The values of one part in its canonical unit, and as they were sent. `credible`: all of
    them are within the plausible range."""

    number: int
    part: Part
    values: Values
    sent: Values
    credible: bool


class Layout(Struct, frozen=True, kw_only=True):
    """A series ready to become readings or blocks. `unit` is set when it was converted."""

    vital: Vital
    columns: list[Column]
    length: int
    unit: str | None


def lay_out(series: Series, vital: Vital, at: int) -> Layout:
    """Check and convert series number `at` of a message."""
    _check_axes(series, at)
    units = _units(series, vital, at)
    named = _named(series, vital, at)
    length = _length(series, vital, named, at)
    columns = [
        _column(series, vital.parts[index], index, units[index], values, at)
        for index, values in named
    ]
    converted = any(not units[column.number].canonical for column in columns)
    return Layout(vital=vital, columns=columns, length=length, unit=series.u if converted else None)


def _check_axes(series: Series, at: int) -> None:
    if (series.dt is None) == (series.o is None):
        raise refused("E2106", pointer(["ser", at]))
    if (series.y is None) == (series.c is None):
        raise refused("E2107", pointer(["ser", at]))


def _unit_table() -> Mapping[tuple[str, str | None], tuple[Unit, ...]]:
    """For every vital sign and unit it may be sent in, the unit of each of its parts. The unit
    of a series is that of its first part; a part that has no such unit keeps its own first."""
    table: dict[tuple[str, str | None], tuple[Unit, ...]] = {}
    for vital in VITALS.values():
        table[vital.k, None] = tuple(part.units[0] for part in vital.parts)
        for unit in vital.parts[0].units:
            table[vital.k, unit.ucum] = tuple(
                next((other for other in part.units if other.ucum == unit.ucum), part.units[0])
                for part in vital.parts
            )
    return table


UNITS_OF_PARTS: Final = _unit_table()


def _units(series: Series, vital: Vital, at: int) -> tuple[Unit, ...]:
    units = UNITS_OF_PARTS.get((vital.k, series.u))
    if units is None:
        first = vital.parts[0]
        name = f"{vital.k}.{first.key}" if vital.named else vital.k
        allowed = " or ".join(unit.ucum for unit in first.units)
        raise refused(
            "E3102", pointer(["ser", at, "u"]), f"{name} must be in {allowed}", got=series.u
        )
    return units


def _named(series: Series, vital: Vital, at: int) -> list[tuple[int, Values]]:
    """The columns with their place in the vital sign, in that order."""
    if (series.c is not None) != vital.named:
        parts = ", ".join(part.key for part in vital.parts)
        msg = (
            f"{vital.k} has the parts {parts}: c, not y" if vital.named else f"{vital.k}: y, not c"
        )
        raise refused("E3107", pointer(["ser", at, "y" if series.c is None else "c"]), msg)
    if series.y is not None:
        return [(0, series.y)]
    sent = series.c or {}
    keys = [part.key for part in vital.parts]
    for key in sent:
        if key not in keys:
            msg = f"{vital.k} has the parts {', '.join(keys)}"
            raise refused("E3104", pointer(["ser", at, "c", key]), msg, got=key)
    for part in vital.parts:
        if part.required and part.key not in sent:
            raise refused("E3105", pointer(["ser", at, "c", part.key]), f"{part.key} is missing")
    return [(index, sent[key]) for index, key in enumerate(keys) if key in sent]


def _length(series: Series, vital: Vital, named: list[tuple[int, Values]], at: int) -> int:
    length = len(named[0][1]) if named else 0
    others: list[tuple[list[str | int], Sequence[float | None] | None]] = [
        (["o"], series.o),
        (["q"], series.q),
    ]
    others += [(["c", vital.parts[index].key], values) for index, values in named[1:]]
    for place, column in others:
        if column is not None and len(column) != length:
            msg = f"{len(column)} entries in {place[-1]} where the first column has {length}"
            raise refused("E3103", pointer(["ser", at, *place]), msg)
    if length == 0:
        raise refused("E3106", pointer(["ser", at]))
    return length


def _column(series: Series, part: Part, index: int, unit: Unit, sent: Values, at: int) -> Column:
    extremes = _extremes(sent)
    if extremes is None:
        return Column(index, part, sent, sent, credible=True)
    least, most = extremes
    low, high = unit.possible
    if least < low or most > high:
        raise _impossible(series, part, unit, sent, at)
    if unit.canonical:
        return Column(index, part, sent, sent, _credible(part, least, most))
    values = [None if value is None else unit.to_canonical(value) for value in sent]
    credible = _credible(part, unit.to_canonical(least), unit.to_canonical(most))
    return Column(index, part, values, sent, credible)


def _extremes(values: Values) -> tuple[float, float] | None:
    """The least and the greatest value; None when there is none at all."""
    present = values if None not in values else [value for value in values if value is not None]
    return (min(present), max(present)) if present else None  # type: ignore[type-var,return-value]


def _credible(part: Part, least: float, most: float) -> bool:
    low, high = part.plausible
    return low <= least and most <= high


def _impossible(series: Series, part: Part, unit: Unit, sent: Values, at: int) -> Refused:
    low, high = unit.possible
    where = next(i for i, v in enumerate(sent) if v is not None and not low <= v <= high)
    column: list[str | int] = ["y"] if series.c is None else ["c", part.key]
    msg = f"{part.key} is possible from {low:g} to {high:g} {unit.ucum}"
    return refused("E3101", pointer(["ser", at, *column, where]), msg, f"{sent[where]:g}")
