"""By which time retention forgets: the clock, unless it jumps.

The hub's clock is set by people and networks, and what is forgotten is gone. So retention goes by a
horizon that follows the clock no faster than so many days for each hour that really passed, counted
by a clock nobody sets. A jump of a year drops what an hour or a day would have, and is told; a hub
that was off for a month has caught up after a day and some hours. It never moves back: a clock that
starts in 1970 for once does not undo it, nothing is forgotten until the clock is right.
"""

from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from runtime.clock import RELEASED

TOLD_FROM: Final = timedelta(days=1)
_HOUR_S: Final = 3600.0
_DAY_S: Final = 86_400.0

Told = Literal["", "behind", "ahead"]


class Horizon(NamedTuple):
    """How far it `reached`; what is forgotten goes by `now`, which is never after the clock.

    `told`: by more than a day it is behind the clock, or ahead of a clock that went back."""

    reached: datetime
    now: datetime
    told: Told


def begin(now: datetime) -> datetime:
    """Where the horizon of a hub begins that has none: not before anybody could have run it."""
    return max(now, RELEASED)


def advance(reached: datetime, now: datetime, *, passed_s: float, days_an_hour: float) -> Horizon:
    """The horizon after so many real seconds, with the clock at `now`. Pure."""
    ahead_s = (now - reached).total_seconds()
    allowed_s = max(0.0, passed_s) / _HOUR_S * days_an_hour * _DAY_S
    # All the way, not its seconds as a float: they are not exact.
    after = now if 0.0 <= ahead_s <= allowed_s else reached
    if ahead_s > allowed_s:
        after = reached + timedelta(seconds=allowed_s)
    return Horizon(after, min(after, now), _told(now - after))


def _told(behind: timedelta) -> Told:
    if behind > TOLD_FROM:
        return "behind"
    return "ahead" if behind < -TOLD_FROM else ""
