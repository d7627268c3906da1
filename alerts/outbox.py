"""The last module: sends what is due, at least once, several at a time.

A notification is leased, checked once more against its episode, sent, and the attempt recorded.
Who dies between sending and recording leaves a lease that runs out: the message goes again under
the same key. One address that hangs holds only its own messages up.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

import msgspec
import structlog

from alerts import unreachable
from alerts.away import AWAY
from alerts.channels.channel import Channel, Ending, Message, Outcome
from alerts.channels.registry import CHANNELS
from alerts.drafts import Why
from alerts.settings import AlertsSettings
from alerts.turn import Turn
from runtime import metrics
from runtime.backoff import full_jitter
from runtime.clock import Clock
from store import notification
from store.notification import Due
from store.pool import Connection, Pool

_LOG = structlog.get_logger()


class Outbox:
    """Sends in the background while it is open; `settled` waits for what is in flight.

    `on_free` is called when a sender is free again, so that the next may be claimed.
    """

    def __init__(
        self,
        pool: Pool,
        settings: AlertsSettings,
        clock: Clock,
        on_free: Callable[[], None] = lambda: None,
    ) -> None:
        self._pool, self._settings, self._clock = pool, settings, clock
        self._on_free = on_free
        self._channels: dict[str, Channel] = {
            name: make(settings) for name, make in CHANNELS.items()
        }
        self._group = asyncio.TaskGroup()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._busy: Counter[int] = Counter()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._in_flight:
            task.cancel()
        try:
            await self._group.__aexit__(kind, error, trace)
        finally:
            for channel in self._channels.values():
                await channel.close()

    async def settled(self) -> None:
        """Wait until nothing is in flight."""
        while self._in_flight:
            await asyncio.wait(set(self._in_flight))

    async def run(self, turn: Turn) -> bool:
        """Start sending what is due, as far as there are senders free; whether there is more."""
        free = self._settings.alerts_senders - len(self._in_flight)
        if free <= 0:
            return False
        lease = timedelta(seconds=self._settings.alerts_lease_s)
        async with self._pool.connection() as conn, conn.transaction():
            due = await notification.claim_due(
                conn,
                now=turn.now,
                lease_until=turn.now + lease,
                limit=free,
                each=self._settings.alerts_senders_each,
                busy=[contact for contact, count in self._busy.items() if count > 0],
            )
        for one in due:
            self._start(one)
        return False

    def _start(self, due: Due) -> None:
        task = self._group.create_task(self._deliver(due), name=f"send[{due.id}]")
        contact = due.contact_id or 0
        self._in_flight.add(task)
        self._busy[contact] += 1

        def done(ended: asyncio.Task[None]) -> None:
            self._in_flight.discard(ended)
            self._busy[contact] -= 1
            self._on_free()

        task.add_done_callback(done)

    async def _deliver(self, due: Due) -> None:
        try:
            untrue = _no_longer_true(due)
            if untrue is not None:
                await self._drop(due, untrue)
                return
            started = time.monotonic()
            outcome = await self._send(due)
            await self._record(due, outcome, int((time.monotonic() - started) * 1000))
        except AWAY as error:
            # The lease runs out and it is sent again, under the same key.
            _LOG.warning("delivery_not_recorded", notification=due.id, error=type(error).__name__)

    async def _send(self, due: Due) -> Outcome:
        channel = self._channels.get(due.channel)
        if channel is None:
            return Outcome(Ending.NEEDS_PERSON, "unknown channel")
        message = Message(
            address=due.address or "",
            secret=due.secret or "",
            key=due.idempotency_key,
            body=msgspec.json.encode(due.body),
            sent_at=self._clock.now(),
        )
        try:
            return await channel.send(message)
        except Exception as error:  # noqa: BLE001 - a channel's mistake must not end the sending
            _LOG.error("channel_failed", channel=due.channel, error=type(error).__name__)
            return Outcome(Ending.TRY_AGAIN, type(error).__name__)

    async def _drop(self, due: Due, why: str) -> None:
        async with self._pool.connection() as conn:
            now = self._clock.now()
            await notification.settle(conn, due.id, state="dropped", now=now, error=why)

    async def _record(self, due: Due, outcome: Outcome, took_ms: int) -> None:
        now = self._clock.now()
        metrics.counter("alerts_deliveries", "Attempts to tell somebody", ("outcome",)).labels(
            outcome.ending.value
        ).inc()
        async with self._pool.connection() as conn, conn.transaction():
            await notification.delivered(
                conn,
                due.id,
                at=now,
                outcome=outcome.ending.value,
                detail=outcome.detail,
                took_ms=took_ms,
            )
            await self._settle(conn, due, outcome, now)

    async def _settle(self, conn: Connection, due: Due, outcome: Outcome, now: datetime) -> None:
        """One place decides whether there is another attempt, and what a failure leads to."""
        settings = self._settings
        age_s = (now - due.created_at).total_seconds()
        if outcome.ending is Ending.DELIVERED:
            await notification.settle(conn, due.id, state="delivered", now=now)
            await unreachable.reached(conn, due, settings=settings, now=now)
            return
        if outcome.ending is Ending.NEEDS_PERSON or age_s >= settings.alerts_give_up_after_s:
            await notification.settle(conn, due.id, state="failed", now=now, error=outcome.detail)
            await unreachable.report(conn, due, outcome.detail, settings=settings, now=now)
            await unreachable.refused(conn, due, now=now)
            return
        wait_s = full_jitter(
            due.attempts - 1, base=settings.alerts_retry_base_s, cap=settings.alerts_retry_cap_s
        )
        again = now + timedelta(seconds=max(wait_s, outcome.retry_after_s))
        await notification.try_again(conn, due.id, at=again, error=outcome.detail)


def _no_longer_true(due: Due) -> str | None:
    """The episode is looked at once more, just before anybody is told of it."""
    if due.episode_state == "closed" and due.reason != Why.WITHDRAWN:
        return "episode_closed"
    if due.episode_state == "acknowledged":
        return "acknowledged"
    if due.channel != "console" and due.address is None:
        return "contact_disabled"
    return None
