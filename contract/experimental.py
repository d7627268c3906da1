"""Keys that begin with `x_`: a maker's own, kept aside with the readings and never looked at."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from contract import codec
from contract.errors import Defect, Refused, defect
from contract.pointer import pointer
from contract.unknown_keys import EXPERIMENTAL

# What goes with one reading, encoded: a batch may hold thousands of readings.
MAX_ASIDE: Final = 1024

Place = list[str | int]


class Experimental(Struct, frozen=True, kw_only=True):
    """The `x_` keys of a batch: of the whole, and by number of the series. `warnings` (W2003)
    name what was too much to keep; nothing else is ever lost by it."""

    message: dict[str, Any]
    series: dict[int, dict[str, Any]]
    warnings: list[Defect]

    def of(self, at: int) -> dict[str, Any]:
        """What goes with the readings of series `at`: its own keys, over those of the message."""
        return {**self.message, **self.series.get(at, {})}


def experimental(said: bytes | Mapping[str, Any]) -> Experimental | None:
    """What a batch of measurements says under keys that begin with `x_`, at its top and in its
    series; None where there is none. `said` is a payload or what was read of it."""
    if isinstance(said, bytes) and EXPERIMENTAL.encode() not in said:
        return None
    document = codec.plain(said) if isinstance(said, bytes) else said
    warnings: list[Defect] = []
    message = _own(document, [], warnings)
    entries = document.get("ser")
    series = {}
    for at, entry in enumerate(entries if isinstance(entries, list) else ()):
        own = _own(entry, ["ser", at], warnings) if isinstance(entry, Mapping) else {}
        if _size({**message, **own}) > MAX_ASIDE:
            warnings.append(_too_much(["ser", at], f"more than {MAX_ASIDE} bytes"))
        elif own:
            series[at] = own
    if not (message or series or warnings):
        return None
    return Experimental(message=message, series=series, warnings=warnings)


def _own(entry: Mapping[str, Any], place: Place, warnings: list[Defect]) -> dict[str, Any]:
    own = {}
    for key, value in entry.items():
        if key.startswith(EXPERIMENTAL):
            try:
                codec.check_loose({key: value}, place)
            except Refused as error:
                warnings.append(_too_much([*place, key], error.defect.msg))
            else:
                own[key] = value
    if _size(own) > MAX_ASIDE:
        warnings.append(_too_much(place, f"more than {MAX_ASIDE} bytes"))
        return {}
    return own


def _size(own: dict[str, Any]) -> int:
    return len(msgspec.json.encode(own)) if own else 0


def _too_much(place: Place, why: str) -> Defect:
    return defect("W2003", pointer(place), f"experimental keys not kept: {why}")
