"""JSON Schema (2020-12) of every message, from the structs, the keys and the dictionary."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from contract.codec import MAX_SERIES
from contract.operations import OPERATIONS, Operation
from contract.specification.catalog import CHANNELS, Channel
from contract.specification.keys import known_keys
from contract.specification.series import Schema, flags, rules, settings
from contract.topics import NODE_PATTERN, SERIAL_PATTERN
from contract.vitals import VITALS, Vital
from contract.wave import ENCODINGS, MAX_CHANNELS, WAVES

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
KNOWN: Final = "x-hh-known"
_REF: Final = "#/$defs/"


def identifier(channel: Channel) -> str:
    """The stable `$id` of a message's schema; a name, not an address."""
    return f"urn:hearthbeat:hh1:{channel.direction}:{channel.kind}"


def components(vitals: Mapping[str, Vital] = VITALS) -> dict[str, Schema]:
    """The schema of every struct by its name; references are `#/$defs/{name}`."""
    structs = [channel.message for channel in CHANNELS]
    _, found = msgspec.json.schema_components(structs, ref_template=_REF + "{name}")
    by_name = {struct.__name__: struct for struct in _all_structs(structs)}
    for name, schema in found.items():
        _explain(schema, by_name[name])
        if name in _ADDITIONS:
            _ADDITIONS[name](schema)
    _series(found["Series"], vitals)
    return dict(sorted(found.items()))


def document(channel: Channel, parts: Mapping[str, Schema]) -> Schema:
    """The schema of one message, whole: every reference leads into its own `$defs`."""
    root = parts[channel.message.__name__]
    needed = sorted(_reached(root, parts, set()))
    head: Schema = {"$schema": DIALECT, "$id": identifier(channel)}
    body = head | root | {"title": f"HH/1 {channel.title}", "x-hh-topic": channel.topic}
    return body | ({"$defs": {name: parts[name] for name in needed}} if needed else {})


def references(schema: Any) -> set[str]:
    """The names of the definitions a schema refers to directly."""
    if isinstance(schema, dict):
        own = {schema["$ref"].removeprefix(_REF)} if isinstance(schema.get("$ref"), str) else set()
        return own.union(*(references(value) for value in schema.values()))
    if isinstance(schema, list):
        return set().union(*(references(value) for value in schema))
    return set()


def _reached(schema: Schema, parts: Mapping[str, Schema], seen: set[str]) -> set[str]:
    for name in references(schema) - seen:
        seen.add(name)
        _reached(parts[name], parts, seen)
    return seen


def _all_structs(structs: list[type[msgspec.Struct]]) -> set[type[msgspec.Struct]]:
    """The structs with those inside them."""
    found: set[type[msgspec.Struct]] = set()

    def visit(kind: msgspec.inspect.Type) -> None:
        if isinstance(kind, msgspec.inspect.StructType):
            found.add(kind.cls)
            for field in kind.fields:
                visit(field.type)
        elif isinstance(kind, msgspec.inspect.UnionType):
            for each in kind.types:
                visit(each)
        elif isinstance(kind, msgspec.inspect.ListType):
            visit(kind.item_type)

    for kind in msgspec.inspect.multi_type_info(structs):
        visit(kind)
    return found


def _explain(schema: Schema, struct: type[msgspec.Struct]) -> None:
    schema["description"] = " ".join((struct.__doc__ or "").split())
    for name, key in known_keys(struct).items():
        told: Schema = {"description": key.says}
        if key.words:
            told[KNOWN] = list(key.words)
        schema["properties"][name] = told | schema["properties"][name]


def _obs(schema: Schema) -> None:
    schema["properties"]["ser"] |= {"minItems": 1, "maxItems": MAX_SERIES}


def _series(schema: Schema, vitals: Mapping[str, Vital]) -> None:
    schema["allOf"] = rules(vitals)
    schema["properties"]["k"][KNOWN] = list(vitals)
    schema["properties"]["fl"][KNOWN] = flags()


def _wave(schema: Schema) -> None:
    schema["properties"]["k"][KNOWN] = list(WAVES)
    schema["properties"]["enc"]["enum"] = list(ENCODINGS)
    schema["properties"]["ch"] |= {"minItems": 1, "maxItems": MAX_CHANNELS}
    schema["properties"]["n"]["minimum"] = 1


def _command(schema: Schema) -> None:
    schema["allOf"] = [
        {
            "if": {"properties": {"op": {"const": each.op}}, "required": ["op"]},
            "then": {"properties": {"args": _arguments(each)}},
        }
        for each in OPERATIONS.values()
    ]


def _arguments(operation: Operation) -> Schema:
    """The arguments of an operation; what each may be is told in words."""
    return {
        "description": f"{operation.meaning.en}. {operation.meaning.zh}。",
        "properties": {each.key: {"description": each.form} for each in operation.args},
        "required": [each.key for each in operation.args if each.required],
    }


def _config(schema: Schema) -> None:
    schema["properties"]["set"]["properties"] = settings()


def _serial(schema: Schema) -> None:
    schema["properties"]["serial"]["pattern"] = SERIAL_PATTERN.pattern


def _claim_answer(schema: Schema) -> None:
    _serial(schema)
    refused = {"properties": {"ok": {"const": False}}, "required": ["ok"]}
    schema["allOf"] = [{"if": refused, "then": {"required": ["code", "msg"]}}]


_ADDITIONS: Final[Mapping[str, Callable[[Schema], None]]] = {
    "Obs": _obs,
    "Wave": _wave,
    "Command": _command,
    "Config": _config,
    "ClaimRequest": _serial,
    "ClaimAnswer": _claim_answer,
}
NODE: Final[Schema] = {"type": "string", "pattern": NODE_PATTERN.pattern}
SERIAL: Final[Schema] = {"type": "string", "pattern": SERIAL_PATTERN.pattern}
