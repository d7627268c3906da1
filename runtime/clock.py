"""Time as a dependency: services take a clock, tests turn it by hand."""

from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

# No clock is right that says an earlier time: nobody had this package then.
RELEASED: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Whoever needs the time asks a clock."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """The instant it was last set or advanced to."""
        return self._now

    def advance(self, seconds: float) -> datetime:
        """Move by so many seconds (also backwards) and return the new instant."""
        self._now += timedelta(seconds=seconds)
        return self._now

    def set(self, instant: datetime) -> None:
        """Jump to an aware instant."""
        self._now = instant.astimezone(UTC)
