"""Chance that can be repeated: numbers drawn from a seed and a place, without any state."""

from typing import Final

_MASK: Final = (1 << 64) - 1
_STEP: Final = 0x9E3779B97F4A7C15


def after(drawn: int, number: int) -> int:
    """A draw made of an earlier one and one more number (the finisher of SplitMix64)."""
    mixed = (drawn ^ number) + _STEP & _MASK
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _MASK
    return mixed ^ (mixed >> 31)


def draw(*place: int) -> int:
    """64 bits that look random and depend on the numbers given, in their order, and on nothing
    else."""
    drawn = 0
    for number in place:
        drawn = after(drawn, number)
    return drawn


def share_of(drawn: int) -> float:
    """The upper 32 bits of a draw as a number in [0, 1)."""
    return (drawn >> 32) / 4294967296.0
