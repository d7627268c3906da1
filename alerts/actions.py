"""What people do with an episode: acknowledge it, resolve it with an outcome and a next step.

Both lock the episode, so that a person and the engine act one after the other, and write one
line of history. Whoever asks has signed in; the scope is checked here all the same.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from alerts import progress
from store import episode as episodes
from store import notification
from store.episode import Episode, Trace
from store.pool import Connection

OUTCOMES: Final = (
    "controlled",
    "medication_changed",
    "referred",
    "visited",
    "called",
    "false_alarm",
    "artefact",
    "device_fixed",
)
# How long an acknowledgement holds without being asked for, in hours.
HOURS: Final = {"high": 1.0, "medium": 12.0, "low": 168.0, "technical": 24.0}
LONGEST_HOURS: Final = 720.0


class ActionError(Exception):
    """An action that was not done; `code` is stable, the text is for people."""

    code = "refused"


class NotInScopeError(ActionError):
    """The episode does not exist, or is not in this person's care: the two look alike."""

    code = "not_in_scope"


class AlreadyClosedError(ActionError):
    """Somebody else, or the engine, has closed it."""

    code = "already_closed"


class UnknownOutcomeError(ActionError):
    """The outcome is none of OUTCOMES."""

    code = "unknown_outcome"


class NextStepMissingError(ActionError):
    """An episode is not closed without saying what comes next."""

    code = "next_step_missing"


class BadHoursError(ActionError):
    """An acknowledgement holds for more than nothing and at most LONGEST_HOURS."""

    code = "bad_hours"


async def acknowledge(
    conn: Connection,
    *,
    episode_id: int,
    staff_id: int,
    now: datetime,
    note: str | None = None,
    hours: float | None = None,
) -> Episode:
    """Take an episode in hand: nobody else is told, until the time is over.

    It covers the evidence known now. Acknowledging again starts the time anew, also for another
    person. Raises NotInScopeError, AlreadyClosedError, BadHoursError.
    """
    if hours is not None and not 0 < hours <= LONGEST_HOURS:
        raise BadHoursError(f"hours lie above 0 and at most at {LONGEST_HOURS:.0f}")
    async with conn.transaction():
        episode = await _open_in_scope(conn, episode_id, staff_id)
        held = HOURS[episode.priority] if hours is None else hours
        taken = msgspec.structs.replace(
            episode,
            state="acknowledged",
            acknowledged_at=now,
            acknowledged_by=staff_id,
            acknowledged_until=now + timedelta(hours=held),
            escalate_at=None,
            unanswered_at=None,
            confirm_by=None,
            confirmation=_known(episode),
            told_tier=max(episode.tier, episode.told_tier or 0),
            covered_until=episode.last_evidence_at,
            note=note or episode.note,
        )
        await episodes.save(conn, taken)
        detail = {"hours": held, **({"note": note} if note else {})}
        await _noted(conn, taken, staff_id, "acknowledge", "acknowledged", detail, now)
        await notification.drop_queued(conn, episode_id, now=now, why="acknowledged")
        await progress.tell(conn, taken, "answered", progress.ANSWERED, now)
    return taken


async def resolve(
    conn: Connection,
    *,
    episode_id: int,
    staff_id: int,
    outcome: str,
    next_step: str,
    note: str | None,
    now: datetime,
) -> Episode:
    """Close an episode with what came of it and what comes next.

    Raises UnknownOutcomeError, NextStepMissingError, NotInScopeError, AlreadyClosedError.
    """
    if outcome not in OUTCOMES:
        raise UnknownOutcomeError(f"an outcome is one of {', '.join(OUTCOMES)}")
    if not next_step.strip():
        raise NextStepMissingError("say what comes next, even if it is nothing further")
    async with conn.transaction():
        episode = await _open_in_scope(conn, episode_id, staff_id)
        closed = msgspec.structs.replace(
            episode,
            state="closed",
            closed_at=now,
            closed_by=staff_id,
            outcome=outcome,
            next_step=next_step.strip(),
            note=note or episode.note,
            escalate_at=None,
            unanswered_at=None,
            confirm_by=None,
            confirmation=_known(episode),
        )
        await episodes.save(conn, closed)
        detail = {"next_step": closed.next_step, **({"note": note} if note else {})}
        await _noted(conn, closed, staff_id, "end", outcome, detail, now)
        await notification.drop_queued(conn, episode_id, now=now, why="resolved")
        await progress.tell(conn, closed, "closed", progress.CLOSED, now)
    return closed


def _known(episode: Episode) -> str:
    """A repeat that is still awaited is not waited for any more."""
    return "unconfirmed" if episode.confirmation == "waiting" else episode.confirmation


async def _open_in_scope(conn: Connection, episode_id: int, staff_id: int) -> Episode:
    """The episode, locked."""
    if not await episodes.is_visible(conn, episode_id=episode_id, staff_id=staff_id):
        raise NotInScopeError("there is no such episode in your care")
    episode = await episodes.find(conn, episode_id, lock=True)
    if episode is None:
        raise NotInScopeError("there is no such episode in your care")
    if episode.state == "closed":
        raise AlreadyClosedError("the episode is closed already")
    return episode


async def _noted(
    conn: Connection,
    episode: Episode,
    staff_id: int,
    phase: str,
    reason: str,
    detail: Mapping[str, object],
    now: datetime,
) -> None:
    line = Trace(phase=phase, reason=reason, detail=dict(detail), actor=f"staff:{staff_id}")
    await episodes.record(conn, episode.id, now, [line])
