"""What the robot itself says about a reading when the doctor is far away. Pure.

Limits are those of the guideline profile in the dictionary of targets; the words are calm, ask to
rest and measure again, and name the emergency number. Never a diagnosis, never a drug.
"""

from typing import Literal

from measures.target import is_emergency, is_low, is_severe

Level = Literal["emergency", "severe", "low"]


# What the hub set for this person, systolic and diastolic in mmHg; None: the profile's.
Limits = tuple[int | None, int | None]


def level(
    sys: float | None, dia: float | None, profile: str, limits: Limits = (None, None)
) -> Level | None:
    """How grave a home reading is; None for one that needs no word of advice."""
    if is_emergency(sys, dia):
        return "emergency"
    if _is_severe(sys, dia, profile, limits):
        return "severe"
    return "low" if is_low(sys) else None


def _is_severe(sys: float | None, dia: float | None, profile: str, limits: Limits) -> bool:
    high_sys = _reached(sys, limits[0], is_severe(profile, sys, None))
    return high_sys or _reached(dia, limits[1], is_severe(profile, None, dia))


def _reached(value: float | None, limit: int | None, by_profile: bool) -> bool:
    return by_profile if limit is None else value is not None and value >= limit
