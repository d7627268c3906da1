"""What a schema allows, in a few words for a table: `integer 0..100`, `list of Series`."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from contract.specification.series import Schema

_POWERS: Final = {
    2**31 - 1: "2³¹−1",
    2**32 - 1: "2³²−1",
    2**47 - 1: "2⁴⁷−1",
    2**53: "2⁵³",
    -(2**53): "−2⁵³",
}


def of(schema: Schema) -> str:
    """The type in words; `or null` is left out, the table says what may be absent."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"object [{name}](#{name.lower()}-keys)"
    if "anyOf" in schema:
        return " or ".join(of(each) for each in schema["anyOf"] if each.get("type") != "null")
    kind = str(schema.get("type", ""))
    return _BY_TYPE[kind](schema) if kind in _BY_TYPE else "anything"


def _amount(schema: Schema) -> str:
    return f"{schema['type']}{_bounds(schema)}"


def _bounds(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low == -(2**53) and high == 2**53:
        return ", ms"
    if low is None and "exclusiveMinimum" in schema:
        return f" above {schema['exclusiveMinimum']}, to {_number(high)}"
    if low is None or high is None:
        return ""
    return f" {_number(low)}..{_number(high)}"


def _number(value: Any) -> str:
    return _POWERS.get(value, f"{value:,}")


def _text(schema: Schema) -> str:
    if schema.get("contentEncoding") == "base64":
        return "bytes"
    if schema.get("maxLength", 512) != 512:
        return f"text, to {_number(schema['maxLength'])} characters"
    if str(schema.get("pattern", "")).startswith("^[0-9a-f]{64}"):
        return "text, 64 hex digits"
    return "text"


def _list(schema: Schema) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(of(each) for each in schema['prefixItems'])}]"
    items = schema.get("items")
    return f"list of {of(items)}" if isinstance(items, dict) else "list"


def _object(schema: Schema) -> str:
    inside = schema.get("additionalProperties")
    if isinstance(inside, dict) and inside:
        return f"object of {of(inside)}"
    return "object"


_BY_TYPE: Final[Mapping[str, Callable[[Schema], str]]] = {
    "integer": _amount,
    "number": _amount,
    "string": _text,
    "array": _list,
    "object": _object,
    "boolean": lambda _: "true or false",
}
