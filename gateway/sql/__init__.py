"""The gateway's SQLite statements, named as in the hub's store: `-- name: x`, then what for."""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

_NAMED = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@cache
def statements(noun: str) -> Mapping[str, str]:
    """The named statements of `<noun>.sql`."""
    text = resources.files(__name__).joinpath(f"{noun}.sql").read_text(encoding="utf-8")
    parts = _NAMED.split(text)[1:]
    return MappingProxyType(dict(zip(parts[::2], parts[1::2], strict=True)))


def schema() -> str:
    """The script that makes an empty file a gateway's memory."""
    return resources.files(__name__).joinpath("schema.sql").read_text(encoding="utf-8")
