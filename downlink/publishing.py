"""From rows to messages on dn/: published, acknowledged by the broker, then marked.

In this order a crash makes a message go out twice, never not at all; devices know a command,
a dose and a revision by its id.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import structlog

from contract.codec import encode
from contract.instants import to_millis
from contract.messages import Command, Reminder
from contract.topics import RETAINED_DN, RETAINED_UP, dn, up
from downlink.link import DeniedError, Link, Message
from runtime.clock import Clock
from runtime.metrics import counter
from store import command, outbound, revision
from store.pool import Connection, Pool

if TYPE_CHECKING:
    from prometheus_client import Counter

_LOG = structlog.get_logger()
# A node without a subscription is tried again soon; one the broker refuses, not so soon.
_DEAF_S = 2.0
_DENIED_S = 60.0
_PAGE = 100

_Mark = Callable[[Connection, datetime], Awaitable[None]]


def published() -> "Counter":
    """How many messages of each kind the broker took."""
    return counter("downlink_published_total", "Messages the broker took", ("kind",))


class Letter(msgspec.Struct, frozen=True):
    """One message with what is to be noted when the broker has it."""

    kind: str
    node_id: str
    message: Message
    mark: _Mark


class Publisher:
    """Publishes what waits, as long as one connection to the broker lasts."""

    def __init__(self, pool: Pool, link: Link, clock: Clock) -> None:
        self._pool = pool
        self._link = link
        self._clock = clock
        self._resting: dict[str, datetime] = {}
        self._cleared: set[str] = set()

    async def restate(self) -> int:
        """Publish every current plan: the broker may have lost its retained messages."""
        count, after = 0, ""
        while True:
            now = self._clock.now()
            async with self._pool.connection() as conn:
                page = await revision.current(conn, now=now, after=after, limit=_PAGE)
            if not page:
                return count
            await self._post([plan_letter(each, now) for each in page])
            count, after = count + len(page), page[-1].node_id

    async def publish_waiting(self) -> int:
        """Publish what waits now; returns how much the broker has taken."""
        now = self._clock.now()
        self._resting = {node: until for node, until in self._resting.items() if until > now}
        resting = sorted(self._resting)
        async with self._pool.connection() as conn:
            commands = await command.waiting(conn, now=now, resting=resting, limit=_PAGE)
            others = await outbound.waiting(conn, now=now, resting=resting, limit=_PAGE)
            plans = await revision.waiting(conn, now=now, resting=resting, limit=_PAGE)
        letters = [command_letter(each, now) for each in commands]
        letters += [outbound_letter(each, now) for each in others]
        letters += [plan_letter(each, now) for each in plans]
        return await self._post(letters)

    async def clear_revoked(self) -> None:
        """Take what is retained of nodes that left the hub from the broker."""
        async with self._pool.connection() as conn:
            left = await revision.left_lately(conn, now=self._clock.now())
        for node_id in sorted(set(left) - self._cleared):
            topics = [up(node_id, kind) for kind in RETAINED_UP]
            topics += [dn(node_id, kind) for kind in RETAINED_DN]
            for topic in topics:
                await self._link.publish(Message(topic=topic, payload=b"", retain=True))
            self._cleared.add(node_id)
            _LOG.info("retained_cleared", node=node_id)

    async def _post(self, letters: Sequence[Letter]) -> int:
        """All at once, in order; marks what was taken. Raises LinkDownError after marking."""
        results = await asyncio.gather(
            *(self._link.publish(letter.message) for letter in letters), return_exceptions=True
        )
        taken = []
        for letter, result in zip(letters, results, strict=True):
            if result is True or (result is False and letter.message.retain):
                taken.append(letter)
            elif result is False:
                self._rest(letter, _DEAF_S)
            elif isinstance(result, DeniedError):
                _LOG.error("publish_denied", node=letter.node_id, kind=letter.kind)
                self._rest(letter, _DENIED_S)
        await self._mark(taken)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, DeniedError):
                raise result
        return len(taken)

    async def _mark(self, letters: Sequence[Letter]) -> None:
        if not letters:
            return
        now = self._clock.now()
        async with self._pool.connection() as conn:
            for letter in letters:
                await letter.mark(conn, now)
                published().labels(letter.kind).inc()

    def _rest(self, letter: Letter, seconds: float) -> None:
        self._resting[letter.node_id] = self._clock.now() + timedelta(seconds=seconds)


def plan_letter(row: revision.Revision, now: datetime) -> Letter:
    """A plan, retained until its last occurrence has passed."""

    async def mark(conn: Connection, at: datetime) -> None:
        await revision.handed_over(conn, row, now=at)

    message = Message(
        topic=dn(row.node_id, "plan"),
        payload=row.body,
        expires_in_s=_seconds(row.holds_until - now),
        retain=True,
    )
    return Letter("plan", row.node_id, message, mark)


def command_letter(row: command.Waiting, now: datetime) -> Letter:
    """A command: a request and its expiry, nothing that starts by itself (safety rule 7)."""

    async def mark(conn: Connection, at: datetime) -> None:
        await command.sent(conn, row.id, now=at)

    wire = Command(v=0, id=row.id, op=row.op, args=row.args, exp=to_millis(row.expires_at))
    message = Message(
        topic=dn(row.node_id, "cmd"),
        payload=encode(wire),
        expires_in_s=_seconds(row.expires_at - now),
    )
    return Letter("cmd", row.node_id, message, mark)


def outbound_letter(row: outbound.Waiting, now: datetime) -> Letter:
    """Feedback or an ad-hoc reminder; a reminder says where its answer goes."""

    async def mark(conn: Connection, at: datetime) -> None:
        await outbound.sent(conn, row.id, now=at)

    answered = row.kind == "reminder"
    message = Message(
        topic=dn(row.node_id, row.kind),
        payload=row.payload,
        expires_in_s=_seconds(row.expires_at - now),
        answer_to=up(row.node_id, "ack") if answered else None,
        answers_id=msgspec.json.decode(row.payload, type=Reminder).id if answered else None,
    )
    return Letter(row.kind, row.node_id, message, mark)


def _seconds(left: timedelta) -> int:
    """Whole seconds, at least one: 0 would mean at once."""
    return max(1, int(left.total_seconds()))
