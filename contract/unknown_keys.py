"""Keys nobody knows: ignored by the hub (HH/1 3.3), told to makers who ask (W2003)."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from msgspec import inspect

from contract import codec, messages
from contract.errors import Refused
from contract.pointer import pointer

EXPERIMENTAL: Final = "x_"
MAX_TOLD: Final = 64
_CLAIMS: Final[Mapping[str, type]] = {"req": messages.ClaimRequest, "res": messages.ClaimAnswer}

Direction = Literal["up", "dn", "claim"]
Place = list[str | int]


def unknown_keys(
    kind: str, said: bytes | Mapping[str, Any], *, direction: Direction = "up"
) -> list[str]:
    """JSON pointers of the keys that the specification does not have and that do not begin with
    `x_`, at most 64. `said` is a payload or what was read of it; nothing for what is no message
    at all. Objects of free content (`ctx`, `out`, `applied`…) have no unknown keys."""
    model = _models(direction).get(kind)
    document = _document(said) if isinstance(said, bytes) else said
    if model is None or not isinstance(document, Mapping):
        return []
    found = _walk(_shape(model), document, [])
    return [pointer(place) for place, _ in zip(found, range(MAX_TOLD), strict=False)]


def _models(direction: Direction) -> Mapping[str, type]:
    by_direction: Mapping[Direction, Mapping[str, type]] = {
        "up": codec.UP,
        "dn": codec.DOWN,
        "claim": _CLAIMS,
    }
    return by_direction[direction]


def _document(payload: bytes) -> Any:
    try:
        return codec.plain(payload)
    except Refused:
        return None


@functools.cache
def _shape(model: type) -> inspect.Type:
    return inspect.type_info(model)


def _walk(shape: inspect.Type, value: Any, place: Place) -> Iterator[Place]:
    if isinstance(shape, inspect.UnionType):
        for kind in shape.types:
            yield from _walk(kind, value, place)
    elif isinstance(shape, inspect.StructType) and isinstance(value, Mapping):
        yield from _of_struct(shape, value, place)
    elif isinstance(shape, inspect.ListType) and isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _walk(shape.item_type, entry, [*place, index])


def _of_struct(
    shape: inspect.StructType, value: Mapping[str, Any], place: Place
) -> Iterator[Place]:
    known = {field.encode_name: field.type for field in shape.fields}
    for key, entry in value.items():
        if key in known:
            yield from _walk(known[key], entry, [*place, key])
        elif not key.startswith(EXPERIMENTAL):
            yield [*place, key]
