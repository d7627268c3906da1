"""The guided session in progress, if any: holds what `gateway/guidance.py` decides."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct, structs

from contract.instants import to_millis
from contract.messages import GuidedSession
from gateway import guidance
from gateway.guidance import Session, Times
from gateway.reports import new_id
from gateway.timekeeper import Timekeeper

Pressures = tuple[float, float]
# A meter tells minutes and may be two minutes off: a reading said to be older belongs to no one.
_OLDEST: Final = timedelta(seconds=180)


class Marked(Struct, frozen=True):
    """What a batch of new readings means for the session: a mark for each, the session after
    them, and the command that one of them answers."""

    marks: list[GuidedSession | None]
    after: Session | None
    answered: str | None


class Guide:
    """One session at a time. `on_end` is called when it ends by itself or by the person."""

    def __init__(
        self,
        timekeeper: Timekeeper,
        times: Times,
        *,
        on_end: Callable[[Session], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._time = timekeeper
        self._times = times
        self._on_end = on_end
        self._monotonic = monotonic
        self._began: datetime | None = None
        self.session: Session | None = None

    def begin(
        self,
        command_id: str | None = None,
        *,
        who: str | None = None,
        rest: float | None = None,
    ) -> bool:
        """Start a session for the person or for a command; `rest` in seconds if not the usual.

        While the person measures anyway, a command is answered by their next reading; False when
        another command is being answered.
        """
        session = self.session
        if session is None or not session.open:
            self._began = self._time.now()
            session_id = new_id(to_millis(self._began))
            times = self._times if rest is None else structs.replace(self._times, rest=rest)
            self.session = guidance.start(
                session_id, self._monotonic(), times, command_id=command_id, who=who
            )
            return True
        if command_id is None or session.command_id is not None:
            return command_id is None
        self.session = structs.replace(session, command_id=command_id)
        return True

    def seconds_left(self) -> int:
        """Until the rest or the waiting is over."""
        return 0 if self.session is None else max(0, round(self.session.until - self._monotonic()))

    def tick(self) -> bool:
        """Time passes; whether anything changed."""
        before = self.session
        if before is None or not before.open:
            return False
        self.session = guidance.tick(before, self._monotonic(), self._times)
        if not self.session.open:
            self._on_end(self.session)
        return self.session != before

    def stop(self) -> bool:
        """The person does not want to go on."""
        if self.session is None or not self.session.open:
            return False
        self.session = guidance.stop(self.session)
        self._on_end(self.session)
        return True

    def belongs(self, at: datetime | None, absent_at: datetime | None) -> bool:
        """Whether a new reading can have been measured during the session."""
        if self.session is None or not self.session.open or self._began is None:
            return False
        if absent_at is not None and absent_at >= self._began:
            return True
        return at is not None and at >= self._began - _OLDEST

    def mark(self, readings: Sequence[Pressures | None]) -> Marked:
        """Mark new readings (None: one that does not belong); changes nothing yet."""
        session, marks, answered = self.session, list[GuidedSession | None](), None
        for pressures in readings:
            if pressures is None or session is None or not session.open:
                marks.append(None)
                continue
            answered = answered or session.command_id
            session, mark = guidance.reading(session, *pressures, self._monotonic(), self._times)
            session = structs.replace(session, command_id=None)
            marks.append(mark)
        return Marked(marks, session, answered)

    def adopt(self, marked: Marked) -> None:
        """The readings are stored: go on from there."""
        self.session = marked.after
