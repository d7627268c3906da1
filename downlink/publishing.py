"""From rows to messages on dn/: published, acknowledged by the broker, then marked.

In this order a crash makes a message go out twice, never not at all; devices know a command,
a dose and a revision by its id.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import structlog

from contract.topics import RETAINED_DN, RETAINED_UP, dn, up
from downlink import letters
from downlink.letters import Letter
from downlink.link import DeniedError, Link, Message
from downlink.measured import measured
from runtime.clock import Clock
from store import command, configuration, firmware, outbound, revision
from store.pool import Connection, Pool

_LOG = structlog.get_logger()
# A node without a subscription is tried again soon; one the broker refuses, not so soon.
_DEAF_S = 2.0
_DENIED_S = 60.0

# After the first time, what a node that left has retained is cleared again after these waits.
_CLEAR_AGAIN = (timedelta(seconds=5), timedelta(seconds=40), timedelta(minutes=5))

# One page of letters, after a node's id, with the id the page ended at.
_Page = Callable[[Connection, datetime, str], Awaitable[list[Letter]]]


class Publisher:
    """Publishes what waits, as long as one connection to the broker lasts."""

    def __init__(self, pool: Pool, link: Link, clock: Clock) -> None:
        self._pool = pool
        self._link = link
        self._clock = clock
        self._resting: dict[str, datetime] = {}
        self._cleared: dict[str, tuple[int, datetime]] = {}

    async def restate(self) -> int:
        """Publish all that should be retained: the broker may have lost it."""
        return sum([await self._restate(page) for page in (_plans, _configurations, _notices)])

    async def _restate(self, page: _Page) -> int:
        count, after = 0, ""
        while True:
            now = self._clock.now()
            async with self._pool.connection() as conn:
                found = await page(conn, now, after)
            if not found:
                return count
            await self._post(found)
            count, after = count + len(found), found[-1].node_id

    async def publish_waiting(self) -> int:
        """Publish what waits now; returns how much the broker has taken."""
        now = self._clock.now()
        self._resting = {node: until for node, until in self._resting.items() if until > now}
        async with self._pool.connection() as conn:
            waiting = await _waiting(conn, now, sorted(self._resting))
        return await self._post(waiting)

    async def clear_revoked(self) -> None:
        """Take what is retained of nodes that left the hub from the broker.

        Again after a while: the will of a session that is cut comes up to 30 s later.
        """
        now = self._clock.now()
        async with self._pool.connection() as conn:
            left = await revision.left_lately(conn, now=now)
        for node_id in sorted(left):
            times, due = self._cleared.get(node_id, (0, now))
            if times == len(_CLEAR_AGAIN) + 1 or now < due:
                continue
            for topic in _retained(node_id):
                await self._link.publish(Message(topic=topic, payload=b"", retain=True))
            wait = _CLEAR_AGAIN[times] if times < len(_CLEAR_AGAIN) else timedelta(0)
            self._cleared[node_id] = (times + 1, now + wait)
            _LOG.info("retained_cleared", node=node_id)

    async def _post(self, posted: Sequence[Letter]) -> int:
        """All at once, in order; marks what was taken. Raises LinkDownError after marking."""
        results = await asyncio.gather(
            *(self._send(letter) for letter in posted), return_exceptions=True
        )
        taken = []
        for letter, result in zip(posted, results, strict=True):
            if result is True:
                taken.append(letter)
            elif result is False:
                measured().unpublished.labels("deaf").inc()
                self._rest(letter, _DEAF_S)
            elif isinstance(result, DeniedError):
                measured().unpublished.labels("denied").inc()
                _LOG.error("publish_denied", node=letter.node_id, kind=letter.kind)
                self._rest(letter, _DENIED_S)
        await self._mark(taken)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, DeniedError):
                raise result
        return len(taken)

    async def _send(self, letter: Letter) -> bool:
        """Whether the broker keeps or delivers it; what is retained needs no listener."""
        if letter.message is None:
            return True
        heard = await self._link.publish(letter.message)
        return heard or letter.message.retain

    async def _mark(self, taken: Sequence[Letter]) -> None:
        if not taken:
            return
        now = self._clock.now()
        async with self._pool.connection() as conn:
            # By node, as ingest does: two who write the same rows never wait for each other.
            for letter in sorted(taken, key=lambda one: one.node_id):
                await letter.mark(conn, now)
                measured().published.labels(letter.kind).inc()

    def _rest(self, letter: Letter, seconds: float) -> None:
        self._resting[letter.node_id] = self._clock.now() + timedelta(seconds=seconds)


async def _waiting(conn: Connection, now: datetime, resting: list[str]) -> list[Letter]:
    """What waits to be published, the urgent first."""
    found = [
        letters.command(one, now) for one in await command.waiting(conn, now=now, resting=resting)
    ]
    found += [
        letters.message(one, now) for one in await outbound.waiting(conn, now=now, resting=resting)
    ]
    found += [
        letters.plan(one, now) for one in await revision.waiting(conn, now=now, resting=resting)
    ]
    found += [letters.settings(one) for one in await configuration.waiting(conn, resting=resting)]
    found += [letters.notice(one) for one in await firmware.waiting(conn, now=now, resting=resting)]
    return found + [letters.no_notice(one) for one in await firmware.over(conn, resting=resting)]


async def _plans(conn: Connection, now: datetime, after: str) -> list[Letter]:
    page = await revision.current(conn, now=now, after=after)
    return [letters.plan(one, now) for one in page]


async def _configurations(conn: Connection, _: datetime, after: str) -> list[Letter]:
    page = await configuration.current(conn, after=after)
    return [letters.settings(one) for one in page]


async def _notices(conn: Connection, _: datetime, after: str) -> list[Letter]:
    page = await firmware.current(conn, after=after)
    return [letters.notice(one) for one in page]


def _retained(node_id: str) -> list[str]:
    return [up(node_id, kind) for kind in RETAINED_UP] + [dn(node_id, kind) for kind in RETAINED_DN]
