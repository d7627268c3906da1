"""The newest evidence of an episode, in a few numbers a doctor reads at a glance."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from care.console import words
from care.console.texts import Say
from store.episode import Evidence

SHOWN: Final = 2


class Fact(Struct, frozen=True):
    """One value or happening, and when it was."""

    value: str
    when: str
    unit: str = ""


def newest(say: Say, evidence: Sequence[Evidence], zone: str, now: datetime) -> list[Fact]:
    """The newest pieces of evidence, newest first."""
    ordered = sorted(evidence, key=lambda piece: piece.at, reverse=True)
    return [_fact(say, piece, zone, now) for piece in ordered[:SHOWN]]


def _fact(say: Say, piece: Evidence, zone: str, now: datetime) -> Fact:
    when = words.moment(say, piece.at, zone, now)
    if piece.type == "condition":
        return Fact(say("evidence.since", when=when), "")
    value, unit = _value(say, piece)
    return Fact(value, when, unit)


def _value(say: Say, piece: Evidence) -> tuple[str, str]:
    if piece.type == "reading" and any(value is not None for value in piece.values):
        values = (*piece.values, None, None, None, None)
        return words.reading(piece.kind, values[:4])
    said = str(piece.detail.get("type") or piece.type)
    return say.known("evidence", said, say.known("evidence", piece.type, "–")), ""
