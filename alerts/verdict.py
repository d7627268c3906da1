"""What a rule says: a verdict, in values. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final

from msgspec import Struct

from alerts.reasons import Reason
from store.episode import Evidence

LIVE: Final = timedelta(minutes=15)  # safety rule 1
OLD: Final = timedelta(hours=24)  # safety rule 1


class Tier(IntEnum):
    """How grave: a worklist entry pages nobody, attention pages the ladder once, severe and
    emergency page without end."""

    WORKLIST = 0
    ATTENTION = 1
    SEVERE = 2
    EMERGENCY = 3


class Stance(StrEnum):
    """What the evidence amounts to so far (safety rule 6)."""

    WAITING = "waiting"  # critical, not repeated yet
    CONFIRMED = "confirmed"
    AT_ONCE = "at_once"  # too grave, or too plain, to wait for a repeat
    REFUTED = "refuted"  # the repeat was normal
    STANDING = "standing"  # nothing to confirm


class Lateness(StrEnum):
    """How long after the fact the hub heard of it (safety rule 1)."""

    LIVE = "live"
    LATE = "late"
    OLD = "old"


class Verdict(Struct, frozen=True, kw_only=True):
    """One finding of one rule. `tier` is how grave it counts now, lateness considered.

    `guided` says that a guided session is still open, `superseded` that a newer normal reading
    arrived before it. `subject` tells episodes of one rule apart. Evidence is never empty.
    """

    rule: str
    version: int
    stance: Stance
    tier: Tier
    reason: Reason
    evidence: tuple[Evidence, ...]
    subject: str = ""
    technical: bool = False
    guided: bool = False
    superseded: bool = False

    @property
    def onset_at(self) -> datetime:
        """Measured time of the first piece of evidence."""
        return min(piece.at for piece in self.evidence)

    @property
    def last_at(self) -> datetime:
        """Measured time of the newest piece of evidence."""
        return max(piece.at for piece in self.evidence)


def lateness(measured_at: datetime, received_at: datetime) -> Lateness:
    """Computed by the hub from its own clock; a device's hint is not asked."""
    behind = received_at - measured_at
    if behind <= LIVE:
        return Lateness.LIVE
    return Lateness.LATE if behind <= OLD else Lateness.OLD


def keys(evidence: Sequence[Evidence]) -> frozenset[str]:
    """The identities of these pieces of evidence."""
    return frozenset(piece.key for piece in evidence)
