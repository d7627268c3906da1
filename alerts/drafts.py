"""What is to be done with one episode: how it was and is, what is written and said. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self

import msgspec
from msgspec import Struct

from alerts.verdict import Tier, Verdict
from store.episode import Episode, Evidence, Trace

WITHDRAWN: Final = "withdrawn"
TECHNICAL: Final = "technical"
_PRIORITIES: Final = {
    Tier.WORKLIST: "low",
    Tier.ATTENTION: "medium",
    Tier.SEVERE: "high",
    Tier.EMERGENCY: "high",
}


class Why(StrEnum):
    """Why somebody is told now."""

    FIRST = "first"
    HIGHER_TIER = "higher_tier"
    RENEWED = "renewed"
    ESCALATED = "escalated"
    NOBODY_ANSWERED = "nobody_answered"
    UNREACHABLE = "unreachable"
    LISTED = "listed"
    WITHDRAWN = "withdrawn"


class Timing(Struct, frozen=True, kw_only=True):
    """The waiting times; `hard_floor` is the one no setting can lengthen (safety rule 13)."""

    confirm_within: timedelta = timedelta(minutes=6)
    late_settle: timedelta = timedelta(seconds=5)
    renew_after: timedelta = timedelta(hours=4)
    hard_floor: timedelta = timedelta(minutes=10)

    def deadline(self, piece: Evidence, now: datetime) -> datetime:
        """Until when a page may wait for the repeat of this reading.

        A late reading waits only for the rest of its backlog.
        """
        live = piece.lateness == "live"
        wished = now + (self.confirm_within if live else self.late_settle)
        return min(wished, (piece.received_at or now) + self.hard_floor)


class Whose(Struct, frozen=True, kw_only=True):
    """Whom or what an episode is about."""

    patient_id: int | None = None
    device_id: int | None = None
    node_id: str | None = None


class Draft(Struct, frozen=True, kw_only=True):
    """One episode on its way to the database.

    `before` is None for a new one. `page`: why the ladder is told from its first step;
    `listed`: it is shown on the worklist and nobody is paged; `ask`: the reading whose repeat
    is wanted.
    """

    before: Episode | None
    after: Episode
    traces: tuple[Trace, ...] = ()
    page: Why | None = None
    listed: bool = False
    ask: Evidence | None = None

    def but(self, **changes: Any) -> Self:
        """The same with other columns."""
        return msgspec.structs.replace(self, after=msgspec.structs.replace(self.after, **changes))

    def noting(self, phase: str, reason: str, **detail: Any) -> Self:
        """The same with one more line of history."""
        line = Trace(phase=phase, reason=reason, detail=detail)
        return msgspec.structs.replace(self, traces=(*self.traces, line))

    def told(self, why: Why) -> Self:
        """The same, and the ladder is told from its first step."""
        return msgspec.structs.replace(self, page=why)

    def shown(self) -> Self:
        """The same, and the worklist shows it without paging."""
        return msgspec.structs.replace(self, listed=True)

    def asking(self, piece: Evidence) -> Self:
        """The same, and the repeat of a reading is asked for."""
        return msgspec.structs.replace(self, ask=piece)

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return self.before != self.after or bool(self.traces)


def priority_of(tier: int, *, technical: bool = False) -> str:
    """The priority as stored."""
    return TECHNICAL if technical else _PRIORITIES[Tier(tier)]


def piece_of(verdict: Verdict, piece: Evidence) -> Evidence:
    """A piece of evidence with the reason it was found for."""
    return msgspec.structs.replace(piece, reason=verdict.reason.value)


def new_episode(verdict: Verdict, whose: Whose, now: datetime, *, state: str = "open") -> Episode:
    """An episode that opens with a verdict; it has no policy yet."""
    first = verdict.evidence[0]
    return Episode(
        patient_id=whose.patient_id,
        node_id=whose.node_id or first.node_id,
        device_id=whose.device_id or first.device_id,
        rule=verdict.rule,
        rule_version=verdict.version,
        subject=verdict.subject,
        priority=priority_of(verdict.tier, technical=verdict.technical),
        tier=int(verdict.tier),
        state=state,
        late=first.lateness == "late",
        onset_at=verdict.onset_at,
        last_evidence_at=verdict.last_at,
        opened_at=now,
        reason=verdict.reason.value,
        evidence=tuple(piece_of(verdict, piece) for piece in verdict.evidence),
    )


def withdrawn(draft: Draft, reason: str, now: datetime, **changes: Any) -> Draft:
    """The engine takes an episode back, and says why. Nobody else is told by it."""
    return draft.but(
        state="closed",
        closed_at=now,
        outcome=WITHDRAWN,
        next_step=None,
        confirm_by=None,
        escalate_at=None,
        unanswered_at=None,
        **changes,
    ).noting("end", reason)
