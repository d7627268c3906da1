"""Stage: receipts. A device may forget a message when the hub says it was taken, not before.

A receipt is cumulative per boot: everything up to a number, and the ranges beyond it. It goes to
whoever asked (`rc`), once a second per node (for up to ten of its boots, who waits longest first),
for an event at once. Nothing is remembered across restarts: what was taken is read from the
database when a node asks first.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import chain

from contract import codec, messages, topics
from contract.instants import to_millis
from ingest.entry import Outcome
from ingest.health import Health
from ingest.ranges import Ranges
from ingest.usual import Usual
from runtime.clock import Clock
from store import message
from store.failure import UnavailableError
from store.line import Line
from store.message import Boot

_ALSO = 64
_ASKED = 1000
_TRACKED = 20_000
_BOOTS = 10
# Of one node, however often it says that it has started.
_BOOTS_KEPT = 100
# Counts read from the database at once, at least and at most: all of a province's at a start would
# take too long in one, and too many times in few.
_FEWEST = 10
_MOST = 2000


def page_after(size: int, took_s: float, every_s: float) -> int:
    """How many counts to read at once after so many took so long. Counts are one number or a
    million, so it is found out. Pure."""
    if took_s < every_s / 4:
        return min(size * 4, _MOST)
    if took_s > every_s:
        return max(size // 4, _FEWEST)
    return size


class _Count:
    """What is known of one boot, and which numbers wait to be receipted."""

    __slots__ = ("asked", "boot", "loaded", "taken", "urgent")

    def __init__(self, boot: Boot) -> None:
        self.boot = boot
        self.taken = Ranges()
        self.loaded = False
        self.asked: set[int] = set()
        self.urgent = False


class Receipts:
    """Notes what was taken and says so."""

    def __init__(
        self,
        line: Line,
        send: Callable[[str, bytes], bool],
        *,
        clock: Clock,
        monotonic: Callable[[], float],
        every_s: float,
        health: Health,
    ) -> None:
        self._line = line
        self._send = send
        self._clock = clock
        self._monotonic = monotonic
        self._every_s = every_s
        self._health = health
        self._counts: dict[tuple[str, int], _Count] = {}
        self._boots: defaultdict[str, set[int]] = defaultdict(set)
        self._waiting: dict[Boot, _Count] = {}
        self._sent_at: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._page = _FEWEST

    def note(self, outcomes: Sequence[Outcome]) -> None:
        """These were committed, or were known: stored and durably refused both count. Beside a
        number used again nothing of its boot does: it may be of the old count."""
        recounted = {
            (outcome.entry.key.node_id, outcome.entry.key.boot)
            for outcome in outcomes
            if outcome.recounts and outcome.entry.key is not None
        }
        for boot in recounted:
            self._forget(boot)
        for outcome in outcomes:
            key = outcome.entry.key
            if key is None or (not outcome.recounts and key[:2] in recounted):
                continue
            count = self._count(Boot(key.node_id, key.boot), asked=outcome.entry.receipt)
            if count is None:
                continue
            count.taken.add(key.seq)
            if outcome.entry.receipt:
                self._ask(key.seq, count, hurry=outcome.entry.event is not None)

    def note_usual(self, usual: Usual) -> None:
        """These were committed, all of them new, none of them urgent."""
        counts = self._counts
        was_idle = not self._waiting
        for _, way, boot, seq, asked in usual.messages:
            count = counts.get((way.node_id, boot)) or self._count(
                Boot(way.node_id, boot), asked=asked
            )
            if count is not None:
                count.taken.add(seq)
                if asked:
                    self._put(count, seq)
        if was_idle and self._waiting:
            self._wake.set()

    def _ask(self, seq: int, count: _Count, *, hurry: bool) -> None:
        if hurry or not self._waiting:
            self._wake.set()
        count.urgent = count.urgent or hurry
        self._put(count, seq)

    def _put(self, count: _Count, seq: int) -> None:
        if len(count.asked) >= _ASKED:
            count.asked.clear()  # nobody could be told for long; the ranges say it all the same
        count.asked.add(seq)
        self._waiting[count.boot] = count

    def _count(self, boot: Boot, *, asked: bool) -> _Count | None:
        """None: nobody asks, or the node has too many boots waiting; it asks again."""
        count = self._counts.get(boot)
        if count is not None or not asked:
            return count
        if len(self._counts) >= _TRACKED:
            self._forget_settled(list(self._counts))
        if len(self._boots[boot.node_id]) >= _BOOTS_KEPT:
            self._forget_settled([(boot.node_id, other) for other in self._boots[boot.node_id]])
            if len(self._boots[boot.node_id]) >= _BOOTS_KEPT:
                return None
        self._boots[boot.node_id].add(boot.boot)
        count = self._counts[boot] = _Count(boot)
        return count

    def _forget(self, boot: tuple[str, int]) -> None:
        """What was taken of an earlier count says nothing of the one that has begun."""
        node_id, number = boot
        self._counts.pop(boot, None)
        self._waiting.pop(Boot(*boot), None)
        boots = self._boots[node_id]
        boots.discard(number)
        if not boots:
            del self._boots[node_id]

    def _forget_settled(self, boots: Sequence[tuple[str, int]]) -> None:
        for boot in boots:
            if boot not in self._waiting:
                self._forget(boot)

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        while True:
            await self._wait()
            due = self._due()
            unknown = [boot for boot in due if not self._waiting[boot].loaded]
            some = {boot: self._waiting[boot] for boot in unknown[: self._page]}
            for boot in due:
                self._say(boot)  # who is known waits for nobody
            if some and not await self._load(some):
                await asyncio.sleep(self._every_s)
                continue
            for boot in some:
                self._say(boot)
            if len(unknown) > len(some):
                self._wake.set()  # the others, without a pause

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._every_s / 4 if self._waiting else None):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    def _due(self) -> list[Boot]:
        """Whoever is in a hurry, and of every node that had no turn within the last second some
        boots, those that wait longest."""
        now = self._monotonic()
        if len(self._sent_at) > _TRACKED:
            self._sent_at = {n: at for n, at in self._sent_at.items() if now - at < self._every_s}
        due: defaultdict[str, list[Boot]] = defaultdict(list)
        urgent = []
        for boot, count in self._waiting.items():
            if count.urgent:
                urgent.append(boot)
            elif len(due[boot.node_id]) < _BOOTS and self._has_its_turn(boot.node_id, now):
                due[boot.node_id].append(boot)
        return [*urgent, *chain.from_iterable(due.values())]

    def _has_its_turn(self, node: str, now: float) -> bool:
        return now - self._sent_at.get(node, -1e9) >= self._every_s

    async def _load(self, counts: dict[Boot, _Count]) -> bool:
        began = self._monotonic()
        try:
            async with self._line.transaction() as conn:
                found = await message.ranges(conn, list(counts))
        except UnavailableError as error:
            self._page = _FEWEST
            self._health.trouble("receipts", str(error))
            return False
        self._page = page_after(self._page, self._monotonic() - began, self._every_s)
        self._health.fine("receipts")
        # Into these counts only: one that began anew meanwhile is another one.
        for boot, ranges in found.items():
            for low, high in ranges:
                counts[boot].taken.add(low, high)
            counts[boot].loaded = True
        return True

    def _say(self, boot: Boot) -> None:
        count = self._waiting.get(boot)
        if count is None or not count.loaded:
            return
        receipt = messages.Receipt(
            boot=boot.boot, upto=count.taken.upto, also=count.taken.beyond(count.asked, _ALSO)
        )
        now = to_millis(self._clock.now())
        payload = codec.encode(messages.Feedback(v=0, t=now, rcpt=receipt))
        # Not sent: the node asks again, and so do we at the next turn.
        if self._send(topics.dn(boot.node_id, "fb"), payload):
            if not count.urgent:  # a hurry takes nobody's turn
                self._sent_at[boot.node_id] = self._monotonic()
            count.asked.clear()
            count.urgent = False
            del self._waiting[boot]
