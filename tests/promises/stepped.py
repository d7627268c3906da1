"""The machine's clock, that somebody sets to another time while the hub runs."""

from datetime import UTC, datetime, timedelta


class SteppedClock:
    """Goes on from wherever it was set to."""

    def __init__(self) -> None:
        self._off = timedelta()

    def now(self) -> datetime:
        """The present instant as this clock has it."""
        return datetime.now(UTC) + self._off

    def step(self, seconds: float) -> None:
        """Set it ahead, or back."""
        self._off += timedelta(seconds=seconds)
