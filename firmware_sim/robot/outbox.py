"""What was said and is not settled: numbered, kept until the hub's receipt, sent again when due.

Pure: it is told the time. Order of sending: events, answers, measurements of now, then backlog,
oldest first. A message keeps its numbers and its content for ever; of an event `try` grows.
"""

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

from firmware_sim.robot.access import Habits

URGENT: Final = ("event",)
HELD: Final = frozenset({"obs", "wave"})  # only these wait for the hub to be ready
_ORDER: Final = {"event": 0, "birth": 1, "ack": 2, "res": 2, "config": 2}


class Kept(Struct, kw_only=True):
    """One counted message. `sendings` so far; `next_at` when it is due (monotonic seconds)."""

    boot: int
    seq: int
    kind: str
    body: dict[str, Any]
    made_at: float
    sendings: int = 0
    next_at: float = 0.0
    open: bool = True

    @property
    def key(self) -> tuple[int, int]:
        """What receipts name it by."""
        return self.boot, self.seq


class Outbox:
    """The counted messages of one robot, newest boot last."""

    def __init__(self, boot: int, habits: Habits, left: Iterable[dict[str, Any]] = ()) -> None:
        self.boot = boot
        self._habits = habits
        self._next = 0
        self._kept: dict[tuple[int, int], Kept] = {}
        # A refusal holds all measurements back, a request to slow down only the backlog.
        self.held_until = self.slow_until = float("-inf")
        self._backlog_at = float("-inf")
        for each in left:
            message = Kept(**each, made_at=float("-inf"))
            self._kept[message.key] = message

    def add(self, kind: str, body: dict[str, Any], now: float) -> Kept:
        """Give it the next number and keep it."""
        message = Kept(boot=self.boot, seq=self._next, kind=kind, body=body, made_at=now)
        message.body = {"v": 0, "boot": self.boot, "seq": self._next, **body}
        self._next += 1
        self._kept[message.key] = message
        self._forget_oldest()
        return message

    def restart_counting(self, boot: int) -> None:
        """A new boot: numbers begin at 0 again, what is open keeps its own."""
        self.boot, self._next = boot, 0

    def waiting(self) -> list[Kept]:
        """Everything without a receipt, in the order of sending.

        Descriptions and answers in the order they were said, also over a restart: the last one
        holds. Of measurements those of this boot come first.
        """
        waiting = [message for message in self._kept.values() if message.open]
        return sorted(waiting, key=self._turn)

    def _turn(self, message: Kept) -> tuple[int, bool]:
        earlier = message.kind in HELD and message.boot != self.boot
        return _ORDER.get(message.kind, 3), earlier

    def all(self) -> list[Kept]:
        """Everything still remembered, settled or not, in the order it was said."""
        return list(self._kept.values())

    def due(self, now: float, *, hub_ready: bool) -> list[Kept]:
        """What to send at this moment. What waited longer than `live_s` is backlog, and paced."""
        chosen = []
        for message in self.waiting():
            if message.next_at > now:
                continue
            if message.kind in HELD and (not hub_ready or now < self.held_until):
                continue
            if self._is_backlog(message, now) and not self._may_send_backlog(now):
                continue
            chosen.append(message)
        return chosen

    def sent(self, message: Kept, now: float) -> dict[str, Any]:
        """Note a sending; the body as it goes out now."""
        if message.sendings == 0 and message.kind in HELD and self._is_backlog(message, now):
            message.body["hist"] = 1
        message.sendings += 1
        pauses = self._habits.event_resend_s if message.kind in URGENT else ()
        at = message.sendings - 1
        message.next_at = now + (pauses[at] if at < len(pauses) else self._habits.resend_s)
        return {**message.body, "try": message.sendings} if message.kind in URGENT else message.body

    def lost_connection(self) -> None:
        """Nothing is known of what was on its way: it is due at once."""
        for message in self._kept.values():
            message.next_at = 0.0

    def receipted(self, boot: int, upto: int, also: Iterable[Iterable[int]]) -> list[Kept]:
        """Settle everything up to `upto` and in the ranges `also`; what was settled now."""
        ranges = [(0, upto), *(tuple(pair) for pair in also)]
        settled = [
            message
            for message in self._kept.values()
            if message.open
            and message.boot == boot
            and any(low <= message.seq <= high for low, high in ranges)
        ]
        for message in settled:
            message.open = False
        return settled

    def drop(self, boot: int, seq: int) -> bool:
        """Refused for good: never to be sent again by itself; whether it was there."""
        message = self._kept.get((boot, seq))
        if message is None or not message.open:
            return False
        message.open = False
        return True

    def later(self, boot: int, seq: int, until: float) -> None:
        """Refused for now."""
        message = self._kept.get((boot, seq))
        if message is not None:
            message.next_at = until

    def reopen(
        self, boot: int, low: int, high: int
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Send these numbers again; (what will be sent, what is gone), as ranges."""
        sent: list[int] = []
        gone: list[int] = []
        for seq in range(low, high + 1):
            message = self._kept.get((boot, seq))
            (gone if message is None else sent).append(seq)
            if message is not None:
                message.open, message.next_at = True, 0.0
        return _ranges(sent), _ranges(gone)

    def forget(self, boot: int, seq: int) -> None:
        """As if its memory had been too small."""
        self._kept.pop((boot, seq), None)

    def left(self) -> list[dict[str, Any]]:
        """What a restart must not lose, as plain values."""
        return [
            {"boot": m.boot, "seq": m.seq, "kind": m.kind, "body": m.body} for m in self.waiting()
        ]

    def _is_backlog(self, message: Kept, now: float) -> bool:
        return message.kind in HELD and now - message.made_at > self._habits.live_s

    def _may_send_backlog(self, now: float) -> bool:
        if now < max(self._backlog_at, self.slow_until):
            return False
        self._backlog_at = max(now, self._backlog_at) + 1 / self._habits.backlog_a_second
        return True

    def _forget_oldest(self) -> None:
        while len(self._kept) > self._habits.keeps:
            settled = (key for key, message in self._kept.items() if not message.open)
            del self._kept[next(settled, next(iter(self._kept)))]


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    """Neighbours together: 1 2 3 7 becomes (1, 3), (7, 7)."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
