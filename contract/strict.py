"""The batch of measurements as a right device sends it: structs so narrow that decoding proves it.

Made from the dictionary of vital signs: for each one a series with its own columns, its own unit
and the plausible ranges as the bounds of every value. What does not fit these structs is not
wrong yet: `contract.codec` and `contract.observation` say what it is. Numbers stay as they were
sent, whole or broken; both compare equal.
"""

import functools
import math
import operator
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from contract.clocks import EARLIEST_MS, QUALITIES
from contract.codec import MAX_SERIES
from contract.columns import UNITS_OF_PARTS
from contract.messages import GuidedSession, Obs, Series
from contract.observation import WHO
from contract.vitals import FLAGS, VITALS, Part, Relation, Vital
from contract.wire import Millis, Percent, Record, Small, Text

_YEAR_2200_MS: Final = 7_258_118_400_000
FLAG_BITS: Final[Mapping[str, int]] = {
    flag.name: flag.mask
    for flag in FLAGS.values()
    if flag.by == "device" and not flag.explains_no_value
}
# The keys of a series beside `k`, in the order they are encoded in.
SERIES_KEYS: Final = (
    *("dev", "u", "dt", "o", "y", "c", "q", "fl", "how", "site", "pos", "who", "ses"),
    *("rec", "fix"),
)
_define: Final[Any] = functools.partial(
    msgspec.defstruct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    forbid_unknown_fields=True,
)


class Session(GuidedSession, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A guided session without keys nobody knows."""


class Rule(NamedTuple):
    """A relation between two parts: plausible only while above - below is at least `least`."""

    above: int
    below: int
    least: float


def _rule(relation: Relation) -> Rule:
    least = relation.by_at_least
    # The next number up: more than zero is at least the smallest number above it.
    return Rule(
        relation.above,
        relation.below,
        math.nextafter(least, math.inf) if relation.strictly else least,
    )


def _values(part: Part) -> Any:
    low, high = part.plausible
    whole = Annotated[int, Meta(ge=math.ceil(low), le=math.floor(high))]
    broken = Annotated[float, Meta(ge=low, le=high)]
    return Annotated[list[whole | broken | None], Meta(min_length=1)]


def _columns(vital: Vital) -> Any:
    """The columns of a vital sign with parts: p0, p1… in the order of the parts."""
    fields = [
        (f"p{at}", _values(part))
        if part.required
        else (f"p{at}", _values(part) | None, msgspec.field(default=None))
        for at, part in enumerate(vital.parts)
    ]
    keys = {f"p{at}": part.key for at, part in enumerate(vital.parts)}
    return _define(f"Columns_{vital.k}", fields, rename=keys)


def _units(vital: Vital) -> Any:
    """The units in which nothing is to convert and nothing to warn of."""
    plain = [
        ucum
        for (k, ucum), units in UNITS_OF_PARTS.items()
        if k == vital.k and ucum and all(u.canonical and not u.deprecated for u in units)
    ]
    literal: Any = Literal[tuple(plain)]
    return literal | None


def _series(vital: Vital) -> Any:
    flags: Any = Literal[tuple(FLAG_BITS)]
    content = ("c", _columns(vital)) if vital.named else ("y", _values(vital.parts[0]))
    fields: list[Any] = [
        ("dev", Text, ""),
        ("u", _units(vital), None),
        ("dt", Annotated[int, Meta(gt=0, le=86_400_000)], 0),
        ("o", Annotated[list[Millis], Meta(min_length=1)] | None, None),
        content,
        ("q", list[Percent | None] | None, None),
        ("fl", list[flags] | None, None),
        ("how", Text | None, None),
        ("site", Text | None, None),
        ("pos", Text | None, None),
        ("who", Annotated[str, Meta(pattern=WHO)] | None, None),
        ("ses", Session | None, None),
        ("rec", Record | None, None),
        ("fix", Small, 0),
    ]
    namespace = {
        "k": vital.k,
        "named": vital.named,
        **({"y": None} if vital.named else {}),
        "keys": tuple(part.key for part in vital.parts),
        "rules": tuple(_rule(relation) for relation in vital.relations),
        "columns": operator.attrgetter(*(f"p{at}" for at in range(len(vital.parts))))
        if vital.named
        else None,
    }
    return _define(f"Series_{vital.k}", fields, tag_field="k", tag=vital.k, namespace=namespace)


def _batch() -> Any:
    vitals = [vital for vital in VITALS.values() if vital.deprecated is None]
    series: Any = functools.reduce(operator.or_, map(_series, vitals))
    clocks: Any = Literal[tuple(sorted(QUALITIES))]
    fields: list[Any] = [
        ("t", Annotated[int, Meta(ge=EARLIEST_MS, le=_YEAR_2200_MS)]),
        ("clk", clocks | None, None),
        ("ser", Annotated[list[series], Meta(min_length=1, max_length=MAX_SERIES)]),
    ]
    return _define("StrictObs", fields, bases=(Obs,))


def columns_of(series: Any) -> list[tuple[str, list[float | None]]]:
    """The named columns of a series, strict or not, with their keys on the wire, in the order of
    the parts; then those nobody knows, by name."""
    if isinstance(series, Series):
        vital = VITALS.get(series.k)
        order = [part.key for part in vital.parts] if vital else []
        sent = series.c or {}
        keys = [key for key in order if key in sent] + sorted(set(sent).difference(order))
        return [(key, sent[key]) for key in keys]
    columns = zip(series.keys, series.columns(series.c), strict=True)
    return [(key, column) for key, column in columns if column is not None]


STRICT: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(_batch())
