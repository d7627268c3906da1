"""What a device says of a firmware it was told to fetch: `out` of a `res` `fw:<ver>`. Pure."""

from collections.abc import Mapping
from typing import Any


def progress_of(out: Mapping[str, Any]) -> int | None:
    """How much is fetched, in whole per cent; None for what is no such number."""
    said = out.get("progress")
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    return int(said) if 0 <= said <= 100 else None


def why_of(out: Mapping[str, Any]) -> str | None:
    """The device's reason, if it is a text."""
    said = out.get("why")
    return said if isinstance(said, str) else None
