"""What every key means, read from `contract/keys.yaml`, with the words known today."""

from collections.abc import Mapping
from importlib import resources
from typing import Any, Final, NamedTuple

import msgspec

from contract.read_yaml import read_yaml

__all__ = ["KEYS", "Key", "known_keys", "read"]


class Key(NamedTuple):
    """What one key means; `words` are the known ones of an open list, empty where there is none."""

    says: str
    words: tuple[str, ...]


def read(text: str) -> Mapping[str, Mapping[str, Key]]:
    """The file as keys by struct and name."""
    raw: dict[str, dict[str, Any]] = read_yaml(text)
    return {
        struct: {name: _key(entry) for name, entry in entries.items()}
        for struct, entries in raw.items()
    }


def _key(entry: Any) -> Key:
    if isinstance(entry, str):
        return Key(entry, ())
    return Key(entry["says"], tuple(str(word) for word in entry.get("words", ())))


KEYS: Final = read(resources.files("contract").joinpath("keys.yaml").read_text(encoding="utf-8"))


def known_keys(struct: type[msgspec.Struct]) -> dict[str, Key]:
    """The keys of a struct as on the wire, in its order, those it inherits first.

    Raises KeyError for a key that nobody explained.
    """
    names = [base.__name__ for base in struct.__mro__ if base.__name__ in KEYS]
    found: dict[str, Key] = {}
    for field in msgspec.structs.fields(struct):
        owner = next((n for n in names if field.encode_name in KEYS[n]), None)
        if owner is None:
            raise KeyError(f"keys.yaml does not say what {struct.__name__}.{field.encode_name} is")
        found[field.encode_name] = KEYS[owner][field.encode_name]
    return found
