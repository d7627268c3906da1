"""When something happened: the time rules of HH/1, applied to what a device claims.

No time gets anything refused. What cannot be true (before 2015, or more than 120 s ahead of the
hub) is placed at its time of arrival, marked `untrusted`, with the claim kept.

Without `t`, offsets count from the start of the device, on the clock that `up` is read from:
measured = received - (`up` at sending - offset), quality `derived`.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from contract.instants import from_millis, to_millis
from contract.messages import Envelope

FUTURE_MS: Final = 120_000
OLD_MS: Final = 30 * 86_400_000
EARLIEST_MS: Final = to_millis(datetime(2015, 1, 1, tzinfo=UTC))
QUALITIES: Final = frozenset({"ntp", "hub", "gnss", "cell", "phone", "manual", "none"})

IMPOSSIBLE: Final = "W3201"
MISSING: Final = "W3202"
OLD: Final = "W3203"


class Instant(NamedTuple):
    """Where something is placed in time.

    `anchored` False: the place depends on when the message arrived, so a copy of the message
    would be placed elsewhere, and only the identity of the message keeps it single.
    """

    at: datetime
    clock: str
    claimed_at: datetime | None
    warning: str | None
    anchored: bool


def quality(clk: str | None) -> str:
    """The clock quality as stored; what a device may not say or nobody knows is `other`."""
    return clk if clk in QUALITIES else "other"


class Timeline:
    """The times of one message that arrived at `received_at`."""

    def __init__(self, envelope: Envelope, received_at: datetime) -> None:
        self.received_at = received_at
        self._received = to_millis(received_at)
        self._timed = envelope.t is not None
        self._clock = quality(envelope.clk) if self._timed else "derived"
        self._base = envelope.t
        if envelope.t is None and envelope.up is not None:
            self._base = self._received - envelope.up

    @property
    def timed(self) -> bool:
        """The message has a `t`."""
        return self._timed

    def place(self, offset: int, back: timedelta) -> Instant:
        """The instant `offset` ms after the base; an impossible one goes `back` from arrival."""
        if self._base is None:
            return self._arrival(back, MISSING, None)
        claim = self._base + offset
        if not EARLIEST_MS <= claim <= self._received + FUTURE_MS:
            return self._arrival(back, IMPOSSIBLE, from_millis(claim) if self._timed else None)
        old = OLD if claim < self._received - OLD_MS else None
        return Instant(from_millis(claim), self._clock, None, old, self._timed)

    def place_run(self, span_ms: int) -> Instant:
        """The start of a run of samples over `span_ms`; without `t` it ends at its arrival, and so
        does one whose time cannot be: no sample is ever later, however long the run."""
        back = timedelta(milliseconds=span_ms)
        if not self._timed and self._base is not None:
            return Instant(self.received_at - back, self._clock, None, None, anchored=False)
        start = self.place(0, back)
        if start.anchored and to_millis(start.at) + span_ms > self._received + FUTURE_MS:
            return self._arrival(back, IMPOSSIBLE, start.at)
        return start

    def _arrival(self, back: timedelta, warning: str, claim: datetime | None) -> Instant:
        return Instant(self.received_at - back, "untrusted", claim, warning, anchored=False)


def occurred(envelope: Envelope, received_at: datetime) -> tuple[datetime, str]:
    """When an event happened and how well that is known. Its time is taken as it is; one that
    cannot be true keeps its place and is marked `untrusted`; without `t` it is its arrival."""
    if envelope.t is None:
        return received_at, "derived" if envelope.up is not None else "untrusted"
    placed = Timeline(envelope, received_at).place(0, timedelta(0))
    return placed.claimed_at or placed.at, placed.clock
