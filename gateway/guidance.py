"""A guided session: rest, measure, and once more after a minute. Pure; times are seconds of a
monotonic clock.

Two readings a minute apart, and a third when they differ by more than 10 mmHg (the rule of the
Chinese guideline of 2024). A session that the hub asked for has one reading. Nothing here starts
the cuff: the person does. Whoever measures before the rest is over is not turned away.
"""

from typing import Final, Literal

from msgspec import Struct, structs

from contract.messages import GuidedSession

DIFFER_MMHG: Final = 10
READINGS: Final = 2


class Session(Struct, frozen=True, kw_only=True):
    """A session in progress. `until` ends the rest or the waiting for a reading."""

    id: str
    origin: Literal["person", "command"]
    stage: Literal["resting", "waiting", "done", "given_up"]
    started: float
    until: float
    of: int = READINGS
    readings: tuple[tuple[float, float], ...] = ()
    command_id: str | None = None
    who: str | None = None

    @property
    def open(self) -> bool:
        """Still waiting for a reading."""
        return self.stage in {"resting", "waiting"}


class Times(Struct, frozen=True):
    """How long to rest, and how long to wait for a reading after the rest."""

    rest: float
    reading: float


def start(
    session_id: str,
    now: float,
    times: Times,
    *,
    command_id: str | None = None,
    who: str | None = None,
) -> Session:
    """The person pressed "measure", or the hub asked for a reading (of `who`, if it said so)."""
    return Session(
        id=session_id,
        origin="command" if command_id else "person",
        stage="resting",
        started=now,
        until=now + times.rest,
        of=1 if command_id else READINGS,
        command_id=command_id,
        who=who,
    )


def tick(session: Session, now: float, times: Times) -> Session:
    """Time passes: from rest to waiting, from waiting to giving up."""
    if session.stage == "resting" and now >= session.until:
        return structs.replace(session, stage="waiting", until=session.until + times.reading)
    if session.stage == "waiting" and now > session.until:
        return structs.replace(session, stage="given_up")
    return session


def reading(
    session: Session, sys: float, dia: float, now: float, times: Times
) -> tuple[Session, GuidedSession]:
    """A reading came: the session after it, and how the reading is marked."""
    readings = (*session.readings, (sys, dia))
    of = session.of
    if len(readings) == of == READINGS and _differ(*readings):
        of = READINGS + 1
    done = len(readings) >= of
    after = structs.replace(
        session,
        readings=readings,
        of=of,
        stage="done" if done else "resting",
        until=now if done else now + times.rest,
    )
    mark = GuidedSession(id=session.id, n=len(readings), of=of, done=1 if done else None)
    return after, mark


def _differ(first: tuple[float, float], second: tuple[float, float]) -> bool:
    return any(abs(a - b) > DIFFER_MMHG for a, b in zip(first, second, strict=True))


def stop(session: Session) -> Session:
    """The person does not want to go on."""
    return structs.replace(session, stage="given_up") if session.open else session
