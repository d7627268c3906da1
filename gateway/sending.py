"""What may be sent now, and when it is sent again. Pure: `now` is a monotonic clock in seconds.

A message is on its way from its PUBLISH until the hub's receipt, which can be long after the
broker's PUBACK: the broker promises nothing. Two windows: so many unanswered by the broker (the
protocol's flow control) and so many unreceipted by the hub (or a dead hub would make the broker
hold the whole backlog).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from gateway.spool import MEASUREMENTS, Key, Stored

NOT_TAKEN_SECONDS: Final = 5.0
LONGEST_BACK_OFF: Final = 3600.0
_NEVER: Final = float("-inf")


class Gate(Struct, frozen=True, kw_only=True):
    """What measurements wait for; everything else goes anyway.

    Instants are seconds of the monotonic clock, but `live_since`: what was spooled before it (UTC
    milliseconds) is backlog. `gathered_until` is for waveforms, which go together.
    """

    hub_ready: bool = True
    held_until: float = _NEVER
    backlog_held_until: float = _NEVER
    gathered_until: float = _NEVER
    live_since: int = 0

    def lets(self, message: Stored, now: float) -> bool:
        """Whether a measurement may go."""
        if not self.hub_ready or now < self.held_until:
            return False
        if message.kind == "wave" and now < self.gathered_until:
            return False
        return message.created >= self.live_since or now >= self.backlog_held_until


class Pace(Struct, frozen=True, kw_only=True):
    """The limits of sending."""

    unanswered: int = 10
    unreceipted: int = 200
    resend_seconds: float = 60.0
    event_resend_seconds: tuple[float, ...] = (5.0, 5.0, 10.0, 60.0)
    measurements_per_second: float = 20.0

    def patience(self, kind: str, sendings: int) -> float:
        """How long to wait for the receipt after sending number `sendings` (1 is the first)."""
        if kind != "event":
            return self.resend_seconds
        steps = self.event_resend_seconds
        return steps[min(sendings, len(steps)) - 1]


class Underway(Struct):
    """One message between its PUBLISH and its receipt."""

    sent: float
    due: float
    sendings: int
    answered: bool = False
    refusals: int = 0


class Flight:
    """Which messages are underway, and which may follow."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._underway: dict[Key, Underway] = {}
        self._tokens = 0.0
        self._filled_at: float | None = None

    def reconnected(self) -> None:
        """A new connection: what is not receipted may have died with the broker; again at once."""
        for message in self._underway.values():
            message.due = float("-inf")
            message.answered = True

    def choose(self, waiting: Sequence[Stored], now: float, gate: Gate) -> list[Stored]:
        """The messages to send now, in the order given.

        Measurements wait while the hub is not ready or has asked to hold back; events never do.
        """
        self._refill(now)
        chosen: list[Stored] = []
        for message in waiting:
            if self._unanswered() + len(chosen) >= self._pace.unanswered:
                break
            if self._is_due(message, now, len(chosen)) and self._may_go(message, now, gate):
                chosen.append(message)
        return chosen

    def _may_go(self, message: Stored, now: float, gate: Gate) -> bool:
        if message.kind == "event":
            return True
        if message.kind not in MEASUREMENTS:
            # Goes out once to a hub that is not ready: the broker keeps it. Again when it is.
            free = gate.hub_ready and now >= gate.held_until
            return free or message.key not in self._underway
        if self._tokens < 1 or not gate.lets(message, now):
            return False
        self._tokens -= 1
        return True

    def _is_due(self, message: Stored, now: float, chosen: int) -> bool:
        underway = self._underway.get(message.key)
        if underway is None:
            return message.kind == "event" or len(self._underway) + chosen < self._pace.unreceipted
        return underway.answered and now >= underway.due

    def sent(self, message: Stored, now: float) -> int:
        """It is on its way; returns how often it has been sent."""
        before = self._underway.get(message.key)
        sendings = 1 + (before.sendings if before else message.tries)
        patience = self._pace.patience(message.kind, sendings)
        refusals = before.refusals if before else 0
        self._underway[message.key] = Underway(now, now + patience, sendings, refusals=refusals)
        return sendings

    def answered(self, key: Key, now: float, *, taken: bool) -> None:
        """The broker answered; what it did not take is due again soon."""
        underway = self._underway.get(key)
        if underway is None:
            return
        underway.answered = True
        if not taken:
            underway.due = now + min(NOT_TAKEN_SECONDS, self._pace.resend_seconds)

    def gone(self, keys: Iterable[Key]) -> None:
        """Receipted, refused or dropped."""
        for key in keys:
            self._underway.pop(key, None)

    def delay(self, key: Key, now: float, *, after: float | None = None) -> None:
        """The hub asked for this one again, later: each time twice as late, and not before
        `after` seconds."""
        underway = self._underway.get(key)
        if underway is not None:
            pause = self._pace.resend_seconds * 2.0 ** min(underway.refusals, 20)
            underway.refusals += 1
            underway.due = now + max(min(pause, LONGEST_BACK_OFF), after or 0.0)

    def again(self, keys: Iterable[Key]) -> None:
        """These are to be sent again at once, receipt or not."""
        for key in keys:
            underway = self._underway.get(key)
            if underway is not None:
                underway.due = _NEVER

    def silent_since(self) -> float | None:
        """When the oldest of those was sent that the broker has not answered."""
        return min((m.sent for m in self._underway.values() if not m.answered), default=None)

    def size(self) -> int:
        """How many are underway."""
        return len(self._underway)

    def next_due(self) -> float | None:
        """When the first of them is to be sent again."""
        return min((m.due for m in self._underway.values() if m.answered), default=None)

    def _unanswered(self) -> int:
        return sum(not message.answered for message in self._underway.values())

    def _refill(self, now: float) -> None:
        rate = self._pace.measurements_per_second
        if self._filled_at is None:
            self._tokens = max(1.0, rate)
        else:
            gained = (now - self._filled_at) * rate
            self._tokens = min(max(1.0, rate), self._tokens + max(0.0, gained))
        self._filled_at = now
