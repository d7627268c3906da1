"""downlink as a process: rounds over the database, and a link to the broker that follows them.

Everything it does is found again by looking; a notification only wakes it. PostgreSQL or the
broker may go away and come back: the rounds go on without the broker, and the whole starts again
after the database was away.
"""

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

import structlog
from psycopg import DataError, IntegrityError, OperationalError

from downlink.answers import consume
from downlink.link import LinkDownError, connect
from downlink.measured import measured, note_waiting
from downlink.provisioning import provisioning
from downlink.publishing import Publisher
from downlink.resend import ask, give_up_old
from downlink.revisions import revise
from downlink.settings import DownlinkSettings
from downlink.timers import clear_messages, expire_commands, miss_doses, tend_configurations
from runtime.backoff import full_jitter
from runtime.clock import Clock
from runtime.metrics import Readiness, served
from runtime.pulse import Pulse
from runtime.settings import parse_broker_url
from runtime.supervision import run_tasks
from store import downlink_lag, revision
from store.pool import Connection, Pool, listening, make_pool

_LOG = structlog.get_logger()
_FEED_PAGE = 200
_CLEAR_EVERY = timedelta(minutes=1)
_ASK_EVERY = timedelta(seconds=1)
_REST = timedelta(minutes=1)
_LOOK_EVERY = timedelta(seconds=10)
# Somebody wants something published; the other channel is the feed.
_WANTED = "downlink"
# Between two looks at a feed that does not rest.
_BREATH_S = 0.05
_RECONNECT_BASE_S = 0.1


class Downlink:
    """One running downlink."""

    def __init__(self, settings: DownlinkSettings, clock: Clock, pool: Pool) -> None:
        self._settings = settings
        self._clock = clock
        self._pool = pool
        self._work = asyncio.Event()
        self._letters = asyncio.Event()
        self._resting: dict[str, datetime] = {}
        self._clear_at = self._ask_at = self._look_at = clock.now()
        self._wanted = False
        self.linked = self.acts = False
        self.pulse = Pulse(time.monotonic)

    async def run(self, ears: Connection) -> None:
        """Until cancelled, or until the database goes away (OperationalError)."""
        await revision.be_the_only_one(ears)
        self.acts = True
        self.pulse.beat()
        _LOG.info("downlink_is_the_one")
        await run_tasks(self._tasks(ears))

    def _tasks(self, ears: Connection) -> dict[str, Coroutine[Any, Any, None]]:
        """What runs side by side; when one of them fails, all end and start again."""
        return {
            "ears": self._listen(ears),
            "rounds": self._rounds(),
            "link": self._keep_linked(),
            **provisioning(self._settings, self._pool, self._clock),
        }

    async def _listen(self, ears: Connection) -> None:
        async for notice in ears.notifies():
            self._wanted = self._wanted or notice.channel == _WANTED
            self._work.set()
        raise OperationalError("the database has gone")

    async def _rounds(self) -> None:
        """A whole round now and then, and when somebody wants something. The feed alone, which
        under load speaks hundreds of times a second, is only read."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._work.clear()
            if self._wanted or loop.time() >= due:
                self._wanted = False
                with measured().round_seconds.time():
                    await self.round()
                self._letters.set()
                due = loop.time() + self._settings.poll_s
            else:
                async with self._pool.connection() as conn:
                    await self._take_answers(conn, self._clock.now())
                await asyncio.sleep(_BREATH_S)
            self.pulse.beat()
            await _woken(self._work, max(0.0, due - loop.time()))

    async def _take_answers(self, conn: Connection, now: datetime) -> None:
        taken = 1
        while taken:
            taken = await consume(conn, now=now, limit=_FEED_PAGE)
            await conn.commit()

    async def round(self) -> None:
        """Take what was answered, do what is due, make the revisions that are wanted."""
        now, settings = self._clock.now(), self._settings
        # One connection, and each step a transaction of its own.
        async with self._pool.connection() as conn:
            await self._take_answers(conn, now)
            await expire_commands(conn, now=now, settings=settings)
            await conn.commit()
            await miss_doses(conn, now=now, settings=settings)
            await conn.commit()
            await tend_configurations(conn, now=now)
            await conn.commit()
            due = await self._due_nodes(conn, now)
        await self._revise(due, now)
        if self._ask_at <= now:
            async with self._pool.connection() as conn:
                await ask(conn, now=now, limit=settings.resends_per_s)
            self._ask_at = now + _ASK_EVERY
        if self._clear_at <= now:
            async with self._pool.connection() as conn:
                await clear_messages(conn, now=now)
                await give_up_old(conn, now=now)
            self._clear_at = now + _CLEAR_EVERY
        if self._look_at <= now:
            async with self._pool.connection() as conn:
                note_waiting(await downlink_lag.waiting(conn, now=now))
            self._look_at = now + _LOOK_EVERY

    async def _due_nodes(self, conn: Connection, now: datetime) -> list[str]:
        self._resting = {node: until for node, until in self._resting.items() if until > now}
        return await revision.due_nodes(
            conn,
            renew_before=now + self._settings.renew_below,
            resting=sorted(self._resting),
        )

    async def _revise(self, due: list[str], now: datetime) -> None:
        for node_id in due:
            try:
                async with self._pool.connection() as conn:
                    await revise(conn, node_id, now=now, settings=self._settings)
            except (DataError, IntegrityError, ZoneInfoNotFoundError):
                # One node's plan must not hold up the others; an unconfirmed edit is telephoned.
                _LOG.exception("plan_not_revised", node=node_id)
                self._resting[node_id] = now + _REST

    async def _keep_linked(self) -> None:
        attempt = 0
        while True:
            try:
                await self._linked()
            except LinkDownError as error:
                attempt = 0 if self.linked else attempt + 1
                _LOG.warning("broker_away", reason=str(error))
            self.linked = False
            cap = self._settings.reconnect_cap_s
            await asyncio.sleep(full_jitter(attempt, base=_RECONNECT_BASE_S, cap=cap))

    async def _linked(self) -> None:
        settings = self._settings
        async with connect(
            parse_broker_url(settings.broker_url),
            client_id=settings.client_id,
            timeout_s=settings.publish_timeout_s,
        ) as link:
            self.linked = True
            publisher = Publisher(self._pool, link, self._clock)
            _LOG.info("linked", restated=await publisher.restate())
            while not link.closed.done():
                self._letters.clear()
                await publisher.clear_revoked()
                if not await publisher.publish_waiting():
                    await _woken(self._letters, settings.poll_s)
        raise LinkDownError("the broker has closed the connection")


async def _woken(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most so long.

    Not `wait_for`: on Python 3.11 it loses a cancellation that comes together with the event,
    and downlink would not stop.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


class Outlook:
    """What `/ready` says of downlink."""

    def __init__(self) -> None:
        self.downlink: Downlink | None = None
        measured().linked.set_function(lambda: float(bool(self.downlink and self.downlink.linked)))

    def readiness(self) -> Readiness:
        """Ready when it does its rounds and is linked; a second one, which waits, is ready too."""
        if self.downlink is None:
            return Readiness(False, "none", {"database": "away"})
        if not self.downlink.acts:
            return Readiness(True, "standby")
        if not self.downlink.linked:
            return Readiness(False, "active", {"broker": "not connected"})
        return self.downlink.pulse.readiness()


async def serve(settings: DownlinkSettings, clock: Clock) -> None:
    """Run until cancelled; survives the loss of the database and of the broker."""
    pool = make_pool(settings.database_url, name="downlink")
    outlook = Outlook()
    async with pool, served(settings.metrics_port, outlook.readiness):
        while True:
            try:
                async with listening(settings.database_url, _WANTED, "feed") as ears:
                    outlook.downlink = Downlink(settings, clock, pool)
                    await outlook.downlink.run(ears)
            except* OperationalError as group:
                _LOG.warning("database_away", reason=type(group.exceptions[0]).__name__)
            outlook.downlink = None
            await asyncio.sleep(settings.poll_s)
