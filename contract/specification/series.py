"""What the dictionary of vital signs adds to the schema of a series and of a configuration.

A series of a known `k` is held to its units, its columns and their possible ranges. A series of
another `k` is not held to anything: a hub keeps it aside.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from contract.configuration import SETTINGS, Setting
from contract.vitals import FLAGS, VITALS, Part, Unit, Vital

Schema = dict[str, Any]

_NOT_NULL: Final[Schema] = {"not": {"type": "null"}}


def rules(vitals: Mapping[str, Vital] = VITALS) -> list[Schema]:
    """The conditions on a series, for `allOf`."""
    known = {"properties": {"k": {"enum": list(vitals)}}, "required": ["k"]}
    return [{"if": known, "then": _either("dt", "o")}, *(map(_rule, vitals.values()))]


def flags() -> list[str]:
    """The flags a device may set."""
    return [flag.name for flag in FLAGS.values() if flag.by == "device"]


def settings() -> Schema:
    """The known settings of a configuration, each with its bounds."""
    return {key: _setting(setting) for key, setting in SETTINGS.items()}


def _either(one: str, other: str) -> Schema:
    """Exactly one of two keys; null counts as absent."""
    return {
        "oneOf": [{"required": [key], "properties": {key: _NOT_NULL}} for key in (one, other)],
        "description": f"{one} or {other}, never both.",
    }


def _rule(vital: Vital) -> Schema:
    first = vital.parts[0]
    units = [unit.ucum for unit in first.units]
    then: Schema = {
        "title": f"{vital.names.en}, {vital.names.zh}",
        "properties": {
            "u": {"enum": [*units, None], "default": units[0]},
            ("y" if vital.named else "c"): {"type": "null"},
        },
        "required": ["c" if vital.named else "y"],
        "allOf": [_in_unit(vital, unit) for unit in first.units],
    }
    return {"if": {"properties": {"k": {"const": vital.k}}, "required": ["k"]}, "then": then}


def _in_unit(vital: Vital, unit: Unit) -> Schema:
    """The ranges that hold when the series is in this unit."""
    values = _columns(vital, unit) if vital.named else _column(vital.parts[0], unit)
    then = {"properties": {"c" if vital.named else "y": values}}
    if unit.ucum == vital.parts[0].unit:
        chosen: Schema = {"properties": {"u": {"enum": [unit.ucum, None]}}}
    else:
        chosen = {"properties": {"u": {"const": unit.ucum}}, "required": ["u"]}
    return {"if": chosen, "then": then}


def _columns(vital: Vital, unit: Unit) -> Schema:
    return {
        "type": "object",
        "properties": {part.key: _column(part, unit) for part in vital.parts},
        "required": _required(vital.parts),
        "additionalProperties": False,
        "minProperties": 1,
    }


def _required(parts: Iterable[Part]) -> list[str]:
    return [part.key for part in parts if part.required]


def _column(part: Part, unit: Unit) -> Schema:
    """A column of one part; a part that has no such unit keeps its own first one."""
    own = next((each for each in part.units if each.ucum == unit.ucum), part.units[0])
    low, high = (_plain(end) for end in own.possible)
    return {
        "description": f"{part.names.en}, {part.names.zh}; {own.ucum}.",
        "type": "array",
        "minItems": 1,
        "items": {"type": ["number", "null"], "minimum": low, "maximum": high},
    }


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


def _setting(setting: Setting) -> Schema:
    schema: Schema = {"description": f"{setting.meaning.en}. {setting.meaning.zh}。"}
    if setting.type == "integer":
        schema |= {"type": "integer", "minimum": setting.least, "maximum": setting.most}
    else:
        schema["type"] = "string"
    if setting.choices:
        schema["enum"] = list(setting.choices)
    if setting.pattern is not None:
        schema["pattern"] = f"^(?:{setting.pattern})$"
    if setting.default is not None:
        schema["default"] = setting.default
    return schema
