"""The way to the hub: connect, say who is there, send what the spool holds, listen.

Order on every connection: subscribe, description, state `ready`, then what waits. A message is
done with the hub's receipt, and nothing else; until then it is sent again, with the same number.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from random import random
from typing import Final

import structlog
from msgspec import Struct

from contract import codec
from contract.messages import Feedback, HubStatus, State, TimeRequest
from contract.topics import HUB_STATUS, dn, up
from gateway.connection import (
    NO_SUBSCRIBERS,
    SESSION_TAKEN_OVER,
    WRONG_CREDENTIALS,
    Connection,
    ConnectionEndedError,
    Outline,
)
from gateway.dressing import dressed
from gateway.sending import Flight
from gateway.settings import GatewaySettings
from gateway.spool import Spool, Stored
from gateway.storage import StorageUnavailableError
from gateway.timekeeper import Timekeeper
from gateway.uptime import uptime_ms
from runtime.backoff import full_jitter

_LOG = structlog.get_logger()
_WINDOW: Final = 240

OnDownlink = Callable[[str, bytes], None]


class Standing(Struct, frozen=True, kw_only=True):
    """What the node says of itself in `state`."""

    plan: int | None
    subs: dict[str, str]


class Uplink:
    """Keeps a node connected and its spool empty."""

    def __init__(
        self,
        settings: GatewaySettings,
        spool: Spool,
        timekeeper: Timekeeper,
        *,
        count_connect: Callable[[], int],
        on_downlink: OnDownlink,
        standing: Callable[[], Standing],
        changed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._spool = spool
        self._time = timekeeper
        self._count_connect = count_connect
        self._on_downlink = on_downlink
        self._standing = standing
        self._changed = changed
        self._flight = Flight(settings.pace)
        self._wake = asyncio.Event()
        self._said: Standing | None = None
        self._held_until = float("-inf")
        self._sync_at = float("-inf")
        self._connects = 0
        self._connection: Connection | None = None
        self.online = False
        self.hub: str | None = None

    @property
    def hub_ready(self) -> bool:
        """Whether measurements may go out. No word from the hub is no reason to wait: a broker
        without a hub answers 0x10, and a receipt is awaited in any case."""
        return self.hub in {None, "ready"}

    def nudge(self) -> None:
        """Something is new in the spool or in the standing."""
        self._wake.set()

    async def run(self) -> None:
        """Stay connected until cancelled; then say `offline` and goodbye."""
        attempt = 0
        while True:
            began = time.monotonic()
            code: int | None = None
            try:
                await self._one_connection()
            except ConnectionEndedError as error:
                code = error.code
                _LOG.warning("uplink_down", reason=str(error), attempt=attempt)
            lasted = time.monotonic() - began
            attempt = 0 if lasted >= self._settings.stable_seconds else attempt + 1
            await asyncio.sleep(self._pause(attempt, lasted, code))

    def _pause(self, attempt: int, lasted: float, code: int | None) -> float:
        settings = self._settings
        jitter = full_jitter(
            max(0, attempt - 1),
            base=settings.reconnect_base,
            cap=settings.reconnect_cap,
            rand=random,
        )
        # Wrong credentials do not become right by asking often; a twin must not be fought.
        slow = code == SESSION_TAKEN_OVER or code in WRONG_CREDENTIALS
        least = settings.refused_pause if slow else settings.reconnect_pause - lasted
        return max(jitter, least, 0.0)

    async def _one_connection(self) -> None:
        self._connects = self._count_connect()
        self._connection = connection = Connection(self._outline(), self._received)
        try:
            await connection.open([dn(self._settings.node, "+"), HUB_STATUS])
            self._set_online(True)
            self._greet(connection)
            await self._serve(connection)
        except asyncio.CancelledError:
            self._say_state(connection, "offline")
            connection.close()
            raise
        finally:
            connection.drop()
            self._set_online(False)

    def _set_online(self, online: bool) -> None:
        if online != self.online:
            self.online = online
            _LOG.info("uplink", online=online, connects=self._connects)
            self._changed()

    def _outline(self) -> Outline:
        settings = self._settings
        lost = State(v=0, s="lost", con=self._connects)
        return Outline(
            broker=settings.broker_address,
            node=settings.node,
            mqtt_version=settings.mqtt_version,
            keep_alive=settings.keep_alive,
            session_expiry=settings.session_expiry,
            will_topic=up(settings.node, "state"),
            will_payload=codec.encode(lost),
            will_delay=settings.will_delay,
            in_flight=settings.in_flight,
            ca_file=settings.ca_file,
        )

    def _greet(self, connection: Connection) -> None:
        """The description first, then `ready`; only then anything else."""
        self._flight.reconnected()
        self._sync_at = float("-inf")
        self._said = None
        for message in self._waiting():
            if message.kind == "birth":
                self._send(connection, message)

    async def _serve(self, connection: Connection) -> None:
        while not connection.ended.done():
            self._wake.clear()
            self._step(connection)
            await self._something(connection)
        raise connection.ended.result()

    async def _something(self, connection: Connection) -> None:
        """Wait until something is new, or something is due."""
        woken = asyncio.ensure_future(self._wake.wait())
        either: set[asyncio.Future[object]] = {woken, connection.ended}  # type: ignore[arg-type]
        try:
            await asyncio.wait(
                either,
                timeout=self._settings.tick_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            woken.cancel()

    def _step(self, connection: Connection) -> None:
        now = time.monotonic()
        silent_since = self._flight.silent_since()
        if silent_since is not None and now - silent_since > self._settings.unanswered_seconds:
            raise ConnectionEndedError("the broker leaves messages unanswered")
        self._ask_time(connection, now)
        if self._standing() != self._said:
            self._said = self._standing()
            self._say_state(connection, "ready")
        self._spool.settle()
        chosen = self._flight.choose(
            self._waiting(), now, hub_ready=self.hub_ready, held_until=self._held_until
        )
        for message in chosen:
            self._send(connection, message)

    def _waiting(self) -> list[Stored]:
        now = self._time.now()
        live_since = now - timedelta(seconds=self._settings.live_seconds)
        return self._spool.waiting(now, live_since=live_since, limit=_WINDOW)

    def _send(self, connection: Connection, message: Stored) -> None:
        sendings = self._flight.sent(message, time.monotonic())
        if message.kind == "event":
            self._spool.count_try(message)
        payload = dressed(
            message,
            sendings=sendings,
            waits_since=self._time.now() - timedelta(seconds=self._settings.live_seconds),
            uptime_ms=uptime_ms(),
        )
        # An older description must not take the place of a newer one.
        retain = message.kind == "birth" and message.id == self._spool.newest("birth")
        answer = connection.publish(up(self._settings.node, message.kind), payload, retain=retain)
        answer.add_done_callback(lambda done: self._answered(message, done))

    def _answered(self, message: Stored, answer: asyncio.Future[int]) -> None:
        if answer.cancelled():
            return
        code = answer.result()
        taken = code < 0x80 and code != NO_SUBSCRIBERS
        if not taken:
            _LOG.warning("uplink_not_taken", kind=message.kind, seq=message.seq, code=code)
        self._flight.answered(message.key, time.monotonic(), taken=taken)
        self._wake.set()

    def _say_state(self, connection: Connection, state: str) -> None:
        standing = self._standing()
        message = State(
            v=0,
            s=state,
            con=self._connects,
            boot=self._spool.boot,
            subs=standing.subs,
            plan=standing.plan,
        )
        connection.publish(up(self._settings.node, "state"), codec.encode(message), retain=True)

    def _ask_time(self, connection: Connection, now: float) -> None:
        if now < self._sync_at:
            return
        self._sync_at = now + self._settings.time_sync_seconds
        request = TimeRequest(t1=self._time.machine_millis())
        connection.tell(up(self._settings.node, "time"), codec.encode(request))

    # --- what the hub says ----------------------------------------------------------------------

    def _received(self, topic: str, payload: bytes) -> None:
        kind = "status" if topic == HUB_STATUS else topic.rpartition("/")[2]
        self._on_downlink(kind, payload)

    def hub_said(self, status: HubStatus) -> None:
        """The hub is ready, degraded or offline."""
        if status.s != self.hub:
            self.hub = status.s
            _LOG.info("hub_status", status=status.s)
            self._changed()
            self._wake.set()

    def take_feedback(self, feedback: Feedback) -> None:
        """A receipt deletes; a refusal for good drops; a throttle holds measurements back."""
        try:
            self._act_on(feedback)
        except StorageUnavailableError as error:
            # Sent again, receipted again.
            _LOG.error("receipt_not_stored", error=str(error))
        self._wake.set()

    def _act_on(self, feedback: Feedback) -> None:
        if feedback.rcpt is not None:
            self._flight.gone(self._spool.receive(feedback.rcpt))
            self._changed()
        if feedback.ok is not False:
            return
        until = time.monotonic() + (feedback.after or self._settings.resend_seconds)
        ref = feedback.ref
        _LOG.warning("hub_refused", code=feedback.code, path=feedback.path, retry=feedback.retry)
        if feedback.retry is False:
            self._flight.gone(self._spool.refuse(feedback, self._time.now()))
        elif ref is not None and ref.boot is not None and ref.seq is not None:
            self._flight.delay((ref.boot, ref.seq), until)
        if feedback.after is not None:
            self._held_until = until

    def forget(self, keys: set[tuple[int, int]]) -> None:
        """The spool dropped these."""
        self._flight.gone(keys)
