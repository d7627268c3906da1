"""How long a unit that proves itself wrongly has to wait, and how often it may ask. Pure.

Only somebody who has the claim code gets this far: knowing a serial number locks nobody out.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

FREE: Final = 5
FIRST_LOCK: Final = timedelta(minutes=15)
LONGEST_LOCK: Final = timedelta(hours=24)
# Wrong proofs from before then are past.
LOOK_BACK: Final = timedelta(days=7)
_ASKS_AT_ONCE: Final = 10
_SECONDS_AN_ASK: Final = 2.0


def locked_until(wrong: Sequence[datetime]) -> datetime | None:
    """Until when no proof is looked at; `wrong` are the wrong ones, the newest first.

    The fifth locks for 15 minutes, each further one for twice as long, up to a day.
    """
    if len(wrong) < FREE:
        return None
    lock: timedelta = FIRST_LOCK * 2.0 ** min(len(wrong) - FREE, 20)
    return wrong[0] + min(LONGEST_LOCK, lock)


class Pace:
    """How often each unit may ask: ten times at once, then every two seconds. Bounded memory."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._full_at: dict[str, datetime] = {}

    def wait_s(self, serial: str, now: datetime) -> float:
        """0 when this one is taken (and counted), else the seconds to wait."""
        step = timedelta(seconds=_SECONDS_AN_ASK)
        due = max(self._full_at.get(serial, now), now) + step
        over = due - now - step * _ASKS_AT_ONCE
        if over > timedelta(0):
            return over.total_seconds()
        self._full_at.pop(serial, None)
        self._full_at[serial] = due
        if len(self._full_at) > self._most:
            self._full_at.pop(next(iter(self._full_at)))
        return 0.0
