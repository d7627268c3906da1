"""Does a schema only add to the one released before? What a device relies on may not go away.

`breaks(old, new)` says in words what became narrower: a key removed, retyped or made required, a
range cut, a word, a unit or a column gone. What is new is never a break.
"""

from collections.abc import Iterator
from typing import Any, Final

from contract.specification.schemas import KNOWN
from contract.specification.series import Schema

_LEAST: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
# What stays the same, or goes: adding or changing it would refuse what was taken.
_FIXED: Final = ("pattern", "format", "contentEncoding", "const", "not")


def breaks(old: Any, new: Any, place: str = "") -> list[str]:
    """What a message that was right before may be refused for now, or no longer finds there."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return [] if old == new else [f"{place}: was {old!r}, is {new!r}"]
    return [f"{place or '/'}: {what}" for what in _own(old, new)] + [*_inside(old, new, place)]


def _own(old: Schema, new: Schema) -> Iterator[str]:
    """The breaks of one schema itself."""
    if _types(new) and (not _types(old) or _types(old) - _types(new)):
        yield f"the type was {sorted(_types(old)) or 'anything'}, is {sorted(_types(new))}"
    for key in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{key} became required"
    yield from _words(old, new)
    yield from _narrowed(old, new)
    for word in _FIXED:
        if word in new and new[word] != old.get(word):
            yield f"{word} was {old.get(word)!r}, is {new[word]!r}"
    if new.get("additionalProperties") is False and old.get("additionalProperties") is not False:
        yield "other keys are refused now"


def _words(old: Schema, new: Schema) -> Iterator[str]:
    """Words may be added; a closed list may become an open one, not the other way round."""
    if "enum" in new and "enum" not in old:
        yield "became a closed list"
    for word in ("enum", KNOWN):
        if word == "enum" and "enum" not in new:
            continue
        for value in old.get(word, ()):
            if value not in new.get(word, ()):
                yield f"the word {value!r} is gone"


def _narrowed(old: Schema, new: Schema) -> Iterator[str]:
    for word in _LEAST:
        if word in new and (word not in old or new[word] > old[word]):
            yield f"{word} was {old.get(word)}, is {new[word]}"
    for word in _MOST:
        if word in new and (word not in old or new[word] < old[word]):
            yield f"{word} was {old.get(word)}, is {new[word]}"


def _types(schema: Schema) -> set[str]:
    kind = schema.get("type", [])
    return {kind} if isinstance(kind, str) else set(kind)


def _inside(old: Schema, new: Schema, place: str) -> Iterator[str]:
    """The breaks of the schemas within."""
    for word in ("properties", "$defs"):
        for key, schema in old.get(word, {}).items():
            where = f"{place}/{key}"
            if key not in new.get(word, {}):
                yield f"{where}: is gone"
            else:
                yield from breaks(schema, new[word][key], where)
    for word in ("items", "additionalProperties", "if", "then", "$ref"):
        if word in old and word in new and not isinstance(new[word], bool):
            yield from breaks(old[word], new[word], f"{place}/{word}")
    yield from _alternatives(old, new, place)
    yield from _conditions(old, new, place)


def _alternatives(old: Schema, new: Schema, place: str) -> Iterator[str]:
    """Each alternative there was still has one that takes as much."""
    for word in ("anyOf", "oneOf"):
        for schema in old.get(word, ()):
            if word in new and not any(not breaks(schema, each) for each in new[word]):
                yield f"{place}: the alternative {_short(schema)} is gone or narrower"
        if word in new and word not in old and not any(not breaks(old, s) for s in new[word]):
            yield f"{place}: became a choice"
    for index, schema in enumerate(old.get("prefixItems", ())):
        if index < len(new.get("prefixItems", ())):
            yield from breaks(schema, new["prefixItems"][index], f"{place}/{index}")


def _conditions(old: Schema, new: Schema, place: str) -> Iterator[str]:
    """A condition there was is the same or milder. One more is a break unless it is about a word
    that was not known before."""
    for schema in old.get("allOf", ()):
        match = next(
            (each for each in new.get("allOf", ()) if _about(each) == _about(schema)), None
        )
        if match is not None:
            yield from breaks(
                schema.get("then", {}), match.get("then", {}), f"{place}/{_about(schema)}"
            )
        elif _about(schema).startswith("k="):
            yield f"{place}: the vital sign {_about(schema)[2:]} is gone"
    known = {_about(schema) for schema in old.get("allOf", ())}
    words = {str(word) for s in old.get("properties", {}).values() for word in s.get(KNOWN, ())}
    for schema in new.get("allOf", ()):
        about = _about(schema)
        if about not in known and about.partition("=")[2] in words:
            yield f"{place}: a new condition on {about}"


def _about(schema: Schema) -> str:
    """What a condition is about: `k=bp`, `op=ask`, `u=mg/dL`."""
    chosen = schema.get("if", {}).get("properties", {})
    for key, test in chosen.items():
        if "const" in test:
            return f"{key}={test['const']}"
        if "enum" in test:
            return f"{key}={test['enum'][0]}" if None in test["enum"] else f"{key} in a list"
    return "always"


def _short(schema: Any) -> str:
    return str(schema)[:80]
