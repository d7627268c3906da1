"""What the robot itself says about a reading when the doctor is far away. Pure.

Limits are those of the guideline profile in the dictionary of targets; the words are calm, ask to
rest and measure again, and name the emergency number. Never a diagnosis, never a drug.
"""

from typing import Literal

from measures.target import is_emergency, is_low, is_severe

Level = Literal["emergency", "severe", "low"]


def level(sys: float | None, dia: float | None, profile: str) -> Level | None:
    """How grave a home reading is; None for one that needs no word of advice."""
    if is_emergency(sys, dia):
        return "emergency"
    if is_severe(profile, sys, dia):
        return "severe"
    return "low" if is_low(sys) else None
