"""Is the hub behind? After it was away the broker hands over what it kept, as fast as it can be
taken: then the time between two messages says nothing about who sent them. Pure: `now` is given.
"""

from collections.abc import Callable
from typing import Final

# Nobody can keep the hub "behind" by flooding it.
LONGEST_S: Final = 600.0
CALM_S: Final = 1.0


class CatchUp:
    """Begins when the hub is back; ends when fewer than `enough` messages have been in hand for a
    second, or after ten minutes."""

    def __init__(self, monotonic: Callable[[], float], *, enough: int) -> None:
        self._monotonic = monotonic
        self._enough = enough
        self._began_at: float | None = None
        self._calm_since: float | None = None

    def begin(self) -> None:
        """The hub is back on its connection, or its database is."""
        now = self._monotonic()
        self._began_at = now if self._began_at is None else self._began_at
        self._calm_since = now

    def taken(self, in_hand: int) -> None:
        """A batch was taken, and so many messages are in hand now."""
        if in_hand >= self._enough:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = self._monotonic()

    @property
    def going_on(self) -> bool:
        """Whether the hub is still catching up."""
        if self._began_at is None:
            return False
        now = self._monotonic()
        calm = self._calm_since is not None and now - self._calm_since >= CALM_S
        if calm or now - self._began_at >= LONGEST_S:
            self._began_at = None
        return self._began_at is not None
