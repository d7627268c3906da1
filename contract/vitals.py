"""The dictionary of vital signs, read once from `vitals.yaml` and checked as it is read.

`VITALS[k]` says what a series `k` consists of, `FLAGS[name]` which bit a flag is. A mistake in
the file (a bit used twice, a name missing, a range turned round) stops the program at import.
"""

from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import Struct

from contract.read_yaml import read_yaml

MAX_PARTS: Final = 4
MAX_FLAG_BIT: Final = 30  # the column is a signed 32-bit integer

Range = tuple[float, float]


class Names(Struct, frozen=True):
    """What people read, in both languages."""

    zh: str
    en: str

    def of(self, locale: str) -> str:
        """The name in a locale (`zh-CN`, `en`)."""
        return self.zh if locale.startswith("zh") else self.en


class UnitName(Struct, frozen=True, kw_only=True):
    """A UCUM unit with its symbol and names."""

    ucum: str
    symbol: str
    names: Names


class Unit(Struct, frozen=True, kw_only=True):
    """A unit a part may be sent in: canonical = value * factor / divisor + offset.

    `possible` is in this unit. `loinc` is given where the code depends on the unit. `deprecated`
    names the unit to use instead.
    """

    ucum: str
    possible: Range
    factor: float = 1.0
    divisor: float = 1.0
    offset: float = 0.0
    loinc: tuple[str, ...] = ()
    deprecated: str | None = None

    @property
    def canonical(self) -> bool:
        """Nothing to convert."""
        return self.factor == 1.0 and self.divisor == 1.0 and self.offset == 0.0

    def to_canonical(self, value: float) -> float:
        """The value in the part's canonical unit."""
        return value * self.factor / self.divisor + self.offset


class Part(Struct, frozen=True, kw_only=True):
    """One number of a vital sign. Ranges are in the canonical unit, ends included."""

    key: str
    names: Names
    units: tuple[Unit, ...]
    loinc: tuple[str, ...]
    mdc: int | None
    possible: Range
    plausible: Range
    required: bool

    @property
    def unit(self) -> str:
        """The canonical unit (UCUM)."""
        return self.units[0].ucum


class Relation(Struct, frozen=True, kw_only=True):
    """Between two parts, by place: plausible only while above - below >= by_at_least."""

    above: int
    below: int
    by_at_least: float
    strictly: bool

    def holds(self, values: tuple[float | None, ...]) -> bool:
        """Whether the relation holds; a missing value breaks nothing."""
        above, below = values[self.above], values[self.below]
        if above is None or below is None:
            return True
        gap = above - below
        return gap > self.by_at_least if self.strictly else gap >= self.by_at_least


class Vital(Struct, frozen=True, kw_only=True):
    """A vital sign: its parts in the order of v0..v3, its codes and names. `deprecated` names the
    vital sign to use instead."""

    k: str
    names: Names
    loinc: tuple[str, ...]
    mdc: int | None
    parts: tuple[Part, ...]
    relations: tuple[Relation, ...]
    deprecated: str | None = None

    @property
    def named(self) -> bool:
        """Sent as named columns `c`; otherwise as scalars `y`."""
        return len(self.parts) > 1

    @property
    def leading(self) -> int:
        """How many parts, from the first, make up what people call the value: `148/91`."""
        places = (at for at, part in enumerate(self.parts) if not part.required)
        return max(1, next(places, len(self.parts)))


class Flag(Struct, frozen=True, kw_only=True):
    """A flag of a reading. `by` is who sets it; `counts` is False where it keeps the reading
    out of trends; `explains_no_value` makes a reading without a number a finding."""

    name: str
    bit: int
    names: Names
    by: str
    counts: bool
    explains_no_value: bool

    @property
    def mask(self) -> int:
        """The flag's bit as stored in `reading.flags`."""
        return 1 << self.bit


class DictionaryError(ValueError):
    """`vitals.yaml` contradicts itself."""


def _names(raw: dict[str, Any], what: str) -> Names:
    zh, en = raw.get("zh"), raw.get("en")
    if not (isinstance(zh, str) and zh and isinstance(en, str) and en):
        raise DictionaryError(f"{what} needs a name in zh and in en")
    return Names(zh, en)


def _range(raw: Any, what: str) -> Range:
    low, high = (float(raw[0]), float(raw[1]))
    if not low < high:
        raise DictionaryError(f"{what}: the range {low}..{high} is turned round")
    return low, high


def _unit_name(raw: dict[str, Any]) -> UnitName:
    names = _names(raw, raw["ucum"])
    return UnitName(ucum=raw["ucum"], symbol=raw.get("symbol", raw["ucum"]), names=names)


def _own_units(vitals: list[dict[str, Any]]) -> list[UnitName]:
    """Units that a vital sign names itself, because no other one is measured in them."""
    units = [unit for vital in vitals for part in vital["parts"] for unit in part["units"]]
    return [_unit_name(unit) for unit in units if "zh" in unit or "en" in unit]


def _deprecated(raw: dict[str, Any], what: str) -> str | None:
    if "deprecated" not in raw:
        return None
    use = raw["deprecated"].get("use")
    if not isinstance(use, str) or not use:
        raise DictionaryError(f"{what} is deprecated and does not say what to use")
    return use


def _unit(raw: dict[str, Any], possible: Range) -> Unit:
    plain = Unit(
        ucum=raw["ucum"],
        possible=possible,
        factor=float(raw.get("factor", 1)),
        divisor=float(raw.get("divisor", 1)),
        offset=float(raw.get("offset", 0)),
        loinc=tuple(raw.get("loinc", ())),
        deprecated=_deprecated(raw, raw["ucum"]),
    )
    low, high = (
        _range(raw["possible"], plain.ucum)
        if "possible" in raw
        else tuple((end - plain.offset) * plain.divisor / plain.factor for end in possible)
    )
    return msgspec.structs.replace(plain, possible=(low, high))


def _part(raw: dict[str, Any], k: str) -> Part:
    what = f"{k}.{raw['key']}"
    possible = _range(raw["possible"], what)
    plausible = _range(raw.get("plausible", raw["possible"]), what)
    if plausible[0] < possible[0] or plausible[1] > possible[1]:
        raise DictionaryError(f"{what}: plausible reaches beyond possible")
    units = tuple(_unit(unit, possible) for unit in raw["units"])
    if not units or not units[0].canonical:
        raise DictionaryError(f"{what}: the first unit must be the canonical one")
    return Part(
        key=raw["key"],
        names=_names(raw, what),
        units=units,
        loinc=tuple(raw.get("loinc", ())),
        mdc=raw.get("mdc"),
        possible=possible,
        plausible=plausible,
        required=bool(raw.get("required", False)),
    )


def _vital(raw: dict[str, Any]) -> Vital:
    k = raw["k"]
    parts = tuple(_part(part, k) for part in raw["parts"])
    keys = [part.key for part in parts]
    if not 1 <= len(keys) <= MAX_PARTS or len(set(keys)) != len(keys):
        raise DictionaryError(f"{k}: one to {MAX_PARTS} parts with different keys")
    return Vital(
        k=k,
        names=_names(raw, k),
        loinc=tuple(raw.get("loinc", parts[0].loinc)),
        mdc=raw.get("mdc", parts[0].mdc),
        parts=parts,
        deprecated=_deprecated(raw, k),
        relations=tuple(
            Relation(
                above=keys.index(relation["above"]),
                below=keys.index(relation["below"]),
                by_at_least=float(relation["by_at_least"]),
                strictly=bool(relation.get("strictly", False)),
            )
            for relation in raw.get("relations", ())
        ),
    )


def _flag(raw: dict[str, Any]) -> Flag:
    if not 0 <= raw["bit"] <= MAX_FLAG_BIT:
        raise DictionaryError(f"flag {raw['name']}: bit {raw['bit']} does not fit the column")
    return Flag(
        name=raw["name"],
        bit=raw["bit"],
        names=_names(raw, raw["name"]),
        by=raw.get("by", "device"),
        counts=bool(raw.get("counts", True)),
        explains_no_value=bool(raw.get("explains_no_value", False)),
    )


class Dictionary(Struct, frozen=True):
    """The whole file."""

    vitals: Mapping[str, Vital]
    flags: Mapping[str, Flag]
    units: Mapping[str, UnitName]


def _once(keys: list[Any], what: str) -> None:
    twice = {str(key) for key in keys if keys.count(key) > 1}
    if twice:
        raise DictionaryError(f"{what} used twice: {', '.join(sorted(twice))}")


def parse(text: str) -> Dictionary:
    """Read a dictionary; raises DictionaryError where it contradicts itself."""
    raw = read_yaml(text)
    units = [*map(_unit_name, raw["units"]), *_own_units(raw["vitals"])]
    flags = [_flag(flag) for flag in raw["flags"]]
    vitals = [_vital(vital) for vital in raw["vitals"]]
    _once([unit.ucum for unit in units], "unit")
    _once([flag.bit for flag in flags], "flag bit")
    _once([flag.name for flag in flags], "flag name")
    _once([vital.k for vital in vitals], "vital sign")
    return Dictionary(
        MappingProxyType({vital.k: vital for vital in vitals}),
        MappingProxyType({flag.name: flag for flag in flags}),
        MappingProxyType(_unit_names(units, vitals)),
    )


def _unit_names(units: list[UnitName], vitals: list[Vital]) -> dict[str, UnitName]:
    """The names of the units that are used or named; one without a name is called by its code."""
    known = {unit.ucum: unit for unit in units}
    used = [unit.ucum for vital in vitals for part in vital.parts for unit in part.units]
    for ucum in used:
        known.setdefault(ucum, UnitName(ucum=ucum, symbol=ucum, names=Names(ucum, ucum)))
    return known


_DICTIONARY: Final = parse(
    resources.files("contract").joinpath("vitals.yaml").read_text(encoding="utf-8")
)
VITALS: Final[Mapping[str, Vital]] = _DICTIONARY.vitals
FLAGS: Final[Mapping[str, Flag]] = _DICTIONARY.flags
UNITS: Final[Mapping[str, UnitName]] = _DICTIONARY.units


def flag_names(flags: int) -> list[str]:
    """The names of the bits that are set, in the order of the bits."""
    return [flag.name for flag in FLAGS.values() if flags & flag.mask]
