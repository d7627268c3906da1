"""What a node keeps until the hub's receipt: what was sent, what waits, what comes again.

Pure: it is told the time, and says what to do.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from firmware_sim.fleet.message import MEASURED, Message

_FIRST_EVENT_S: Final = 5.0
_LATER_EVENT_S: Final = 20.0


class Settled(NamedTuple):
    """What a receipt settled: ranges of numbers, and the messages. `unsent` is how many it covered
    that never left: a hub that says so is wrong."""

    ranges: list[tuple[int, int]]
    messages: list[Message]
    unsent: int = 0


class Outbox:
    """The messages of one boot. Three ways out: `urgent` (events), `live`, and the backlog, which
    is paced and goes from the oldest on."""

    def __init__(self, boot: int) -> None:
        self.boot = boot
        self.next_seq = 0
        self.urgent: deque[Message] = deque()
        self.live: deque[Message] = deque()
        self._kept: dict[int, Message] = {}
        self._backlog: list[int] = []
        self._sent = 0

    @property
    def kept(self) -> int:
        """How many messages have no receipt, sent or not."""
        return len(self._kept)

    @property
    def open(self) -> int:
        """How many were sent and have no receipt."""
        return self._sent

    @property
    def waits(self) -> bool:
        """Whether anything waits to leave."""
        return bool(self._backlog or self.urgent or self.live)

    @property
    def behind(self) -> bool:
        """Whether there is backlog."""
        return bool(self._backlog)

    def keep(self, message: Message) -> None:
        """A new counted message."""
        self._kept[message.seq] = message
        self.next_seq = max(self.next_seq, message.seq + 1)

    def hold(self, message: Message) -> None:
        """It cannot leave now: it becomes backlog, and is marked so if it was never sent."""
        if message.seq in self._kept and not message.queued:
            message.queued = True
            message.hist = message.hist or (message.first_at is None and message.sort in MEASURED)
            heapq.heappush(self._backlog, message.seq)

    def from_backlog(self) -> Message | None:
        """The oldest that waits and is still wanted."""
        while self._backlog:
            message = self._kept.get(heapq.heappop(self._backlog))
            if message is not None:
                message.queued = False
                return message
        return None

    def first_of(self, queue: deque[Message]) -> Message | None:
        """The next of `urgent` or `live`, left there; what was settled meanwhile is forgotten."""
        while queue and queue[0].seq not in self._kept:
            queue.popleft()
        return queue[0] if queue else None

    def sent(self, message: Message, now: float) -> None:
        """It leaves."""
        if message.first_at is None:
            message.first_at = now
            self._sent += 1
        message.sent_at = now
        message.tries += 1
        message.in_flight = True

    def settle(self, boot: int, upto: int, also: Sequence[Sequence[int]]) -> Settled:
        """A receipt came; nothing of another boot is settled, and nothing that was never sent."""
        if boot != self.boot:
            return Settled([], [])
        covered = [m for m in self._kept.values() if _in(m, upto, also)]
        sent = [m for m in covered if m.first_at is not None]
        for message in sent:
            del self._kept[message.seq]
        self._sent -= len(sent)
        return Settled(ranges(m.seq for m in sent), sent, len(covered) - len(sent))

    def drop(self, boot: int, seq: int) -> Message | None:
        """The hub will never take this one; None: it is not kept."""
        if boot != self.boot or seq not in self._kept:
            return None
        message = self._kept.pop(seq)
        self._sent -= message.first_at is not None
        return message

    def cut(self) -> None:
        """The connection is lost: what was under way, or about to leave, comes again."""
        waiting = [*self.live, *self.urgent]
        self.live.clear()
        self.urgent.clear()
        for message in [*waiting, *(m for m in self._kept.values() if m.in_flight)]:
            message.in_flight = False
            self._again(message)

    def overdue(self, now: float, resend_s: float) -> int:
        """Queue what was sent too long ago without a receipt; how many."""
        due = [
            message
            for message in self._kept.values()
            if message.sent_at is not None
            and not message.queued
            and now - message.sent_at >= _patience(message, resend_s)
        ]
        for message in due:
            message.in_flight = False
            self._again(message)
        return len(due)

    def resend(self, first: int, last: int) -> Settled:
        """Queue what is kept of these numbers; says which those are."""
        found = [m for m in self._kept.values() if first <= m.seq <= last]
        for message in found:
            if message.first_at is not None:
                self._again(message)
        return Settled(ranges(m.seq for m in found), found)

    def _again(self, message: Message) -> None:
        if message.sort != "event":
            self.hold(message)
        elif message not in self.urgent:
            self.urgent.append(message)


def _in(message: Message, upto: int, also: Sequence[Sequence[int]]) -> bool:
    seq = message.seq
    return seq <= upto or any(first <= seq <= last for first, last in also)


def _patience(message: Message, resend_s: float) -> float:
    if message.sort != "event":
        return resend_s
    return min(resend_s, _LATER_EVENT_S, _FIRST_EVENT_S * 2.0 ** min(message.tries - 1, 8))


def ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Numbers as [first, last] ranges, in order."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def without(first: int, last: int, there: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """What of first..last is not there; `there` lies within it, in order."""
    gaps, at = [], first
    for low, high in there:
        if low > at:
            gaps.append((at, low - 1))
        at = high + 1
    return [*gaps, (at, last)] if at <= last else gaps
