"""A node's configuration as people read it: each setting, wanted and applied, and why not. Pure."""

from typing import Any

from msgspec import Struct

from contract.configuration import SETTINGS, Setting
from store.configuration import Configuration


class Line(Struct, frozen=True, kw_only=True):
    """One setting. `state`: `default`, `waiting`, `applied`, `refused`, or `differs`.

    `reason` is the device's own, where it refused the value and kept the one it had.
    """

    key: str
    wanted: Any
    applied: Any
    state: str
    reason: str | None
    allowed: str
    meaning_zh: str
    meaning_en: str


def lines(of: Configuration) -> list[Line]:
    """Every known setting, then others that are wanted, were refused or are applied."""
    reasons = _reasons(of)
    others = sorted({*of.wanted, *(of.applied or {}), *reasons} - SETTINGS.keys())
    return [_line(of, key, reasons.get(key)) for key in (*SETTINGS, *others)]


def _line(of: Configuration, key: str, reason: str | None) -> Line:
    known: Setting | None = SETTINGS.get(key)
    return Line(
        key=key,
        wanted=of.wanted.get(key),
        applied=(of.applied or {}).get(key),
        state=_state(of, key, reason),
        reason=reason,
        allowed=known.allowed if known else "",
        meaning_zh=known.meaning.zh if known else "",
        meaning_en=known.meaning.en if known else "",
    )


def _state(of: Configuration, key: str, reason: str | None) -> str:
    if reason is not None:
        return "refused"
    if key not in of.wanted:
        return "default"
    if (of.reported_revision or 0) < of.revision:
        return "waiting"
    return "applied" if (of.applied or {}).get(key) == of.wanted[key] else "differs"


def _reasons(of: Configuration) -> dict[str, str]:
    """The device's errors by setting; its pointers are into `set`."""
    found: dict[str, str] = {}
    for error in of.errors:
        path = str(error.get("path", "")).removeprefix("/set")
        key = path.strip("/").split("/")[0].replace("~1", "/").replace("~0", "~")
        found.setdefault(key, str(error.get("msg", "")))
    return found
