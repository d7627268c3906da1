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
from contract.instants import to_millis
from contract.messages import Diag, Feedback, HubStatus, State, TimeRequest
from contract.topics import HUB_STATUS, dn, up
from gateway.configured import Configured
from gateway.connection import (
    NO_SUBSCRIBERS,
    SESSION_TAKEN_OVER,
    Connection,
    ConnectionEndedError,
    Outline,
    Will,
)
from gateway.dressing import dressed
from gateway.identity import Identities
from gateway.sending import Flight
from gateway.settings import GatewaySettings
from gateway.spool import Key, Spool, Stored
from gateway.timekeeper import Timekeeper
from gateway.trust import context_of
from gateway.uptime import uptime_ms
from gateway.verdicts import Verdicts
from runtime.backoff import full_jitter

_LOG = structlog.get_logger()
_WINDOW: Final = 240
_ASK_TIME_AGAIN: Final = 30.0
_RETAINED: Final = frozenset({"birth", "config"})

OnDownlink = Callable[[str, bytes], None]


class Standing(Struct, frozen=True, kw_only=True):
    """What the node says of itself in `state`."""

    plan: int | None
    cfg: int | None
    subs: dict[str, str]


class Uplink:
    """Keeps a node connected and its spool empty."""

    def __init__(
        self,
        settings: GatewaySettings,
        identities: Identities,
        spool: Spool,
        timekeeper: Timekeeper,
        configured: Configured,
        *,
        count_connect: Callable[[], int],
        on_downlink: OnDownlink,
        standing: Callable[[], Standing],
        changed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._identities = identities
        self._spool = spool
        self._time = timekeeper
        self._configured = configured
        self._count_connect = count_connect
        self._on_downlink = on_downlink
        self._standing = standing
        self._changed = changed
        self._flight = Flight(settings.pace)
        self.verdicts = Verdicts(
            spool,
            self._flight,
            timekeeper,
            configured,
            changed=changed,
        )
        self._wake = asyncio.Event()
        self._said: Standing | None = None
        self._sync_at = float("-inf")
        self._renew = False
        self.connects = 0
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
            slow = False
            try:
                await self._one_connection()
            except ConnectionEndedError as error:
                slow = self._is_slow(error)
                _LOG.warning("uplink_down", reason=str(error), attempt=attempt)
            lasted = time.monotonic() - began
            attempt = 0 if lasted >= self._settings.stable_seconds else attempt + 1
            await asyncio.sleep(self._pause(attempt, lasted, slow=slow))

    def _is_slow(self, error: ConnectionEndedError) -> bool:
        """Wrong credentials do not become right by asking often, unless there are others to try;
        a twin must not be fought."""
        if error.refused:
            return not self._identities.refused()
        return error.code == SESSION_TAKEN_OVER

    def _pause(self, attempt: int, lasted: float, *, slow: bool) -> float:
        settings = self._settings
        jitter = full_jitter(
            max(0, attempt - 1),
            base=settings.reconnect_base,
            cap=settings.reconnect_cap,
            rand=random,
        )
        least = settings.refused_pause if slow else settings.reconnect_pause - lasted
        return max(jitter, least, 0.0)

    async def _one_connection(self) -> None:
        self.connects = self._count_connect()
        identity, self._renew = self._identities.current, False
        try:
            outline = self._outline()
        except OSError as error:
            raise ConnectionEndedError(f"{type(error).__name__}: {error}") from error
        self._connection = connection = Connection(outline, self._received)
        try:
            await connection.open([dn(identity.node, "+"), HUB_STATUS])
            self._identities.worked(identity)
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

    def renew(self) -> None:
        """Connect anew, with the newest credentials."""
        self._renew = True
        self._wake.set()

    def _set_online(self, online: bool) -> None:
        if online != self.online:
            self.online = online
            _LOG.info("uplink", online=online, connects=self.connects)
            self._changed()

    def _outline(self) -> Outline:
        settings, identity = self._settings, self._identities.current
        lost = codec.encode(State(v=0, s="lost", con=self.connects), encoding=self._encoding())
        return Outline(
            host=identity.host,
            port=identity.port,
            user=identity.node,
            password=identity.password,
            tls=context_of(identity),
            certified=identity.cert is not None,
            mqtt_version=settings.mqtt_version,
            keep_alive=settings.keep_alive,
            session_expiry=settings.session_expiry,
            will=Will(topic=up(identity.node, "state"), payload=lost, delay=settings.will_delay),
            in_flight=settings.in_flight,
        )

    def _encoding(self, key: Key | None = None) -> codec.Encoding:
        return "cbor" if self._configured.encoding(key) == "cbor" else "json"

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
            if self._renew:
                connection.close()
                raise ConnectionEndedError("new credentials")
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
        live_since = to_millis(self._time.now() - timedelta(seconds=self._settings.live_seconds))
        gate = self.verdicts.gate(hub_ready=self.hub_ready, live_since=live_since)
        chosen = self._flight.choose(self._waiting(), now, gate)
        for message in chosen:
            self._send(connection, message)
        if any(message.kind == "wave" for message in chosen):
            self.verdicts.gathered()

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
            encoding=self._encoding(message.key),
        )
        # An older description must not take the place of a newer one.
        kind = message.kind
        retain = kind in _RETAINED and message.id == self._spool.newest(kind)
        answer = connection.publish(up(self._identities.node, kind), payload, retain=retain)
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

    def _say_state(self, connection: Connection, state: str) -> asyncio.Future[int]:
        standing = self._standing()
        message = State(
            v=0,
            s=state,
            con=self.connects,
            boot=self._spool.boot,
            subs=standing.subs,
            plan=standing.plan,
            cfg=standing.cfg,
        )
        payload = codec.encode(message, encoding=self._encoding())
        return connection.publish(up(self._identities.node, "state"), payload, retain=True)

    def _ask_time(self, connection: Connection, now: float) -> None:
        if now < self._sync_at:
            return
        # Again soon, until there is an answer; then after hours.
        self._sync_at = now + min(_ASK_TIME_AGAIN, self._settings.time_sync_seconds)
        request = TimeRequest(t1=self._time.machine_millis())
        self._tell(connection, "time", request)

    def time_answered(self) -> None:
        """The hub has told the time."""
        self._sync_at = time.monotonic() + self._settings.time_sync_seconds

    def ask_time(self) -> None:
        """Ask for the time now."""
        self._sync_at = float("-inf")
        self._wake.set()

    def _tell(self, connection: Connection, kind: str, message: Struct) -> None:
        payload = codec.encode(message, encoding=self._encoding())
        connection.tell(up(self._identities.node, kind), payload)

    def tell(self, diag: Diag) -> bool:
        """Send diagnostics, if connected: they are lossy. Whether they were sent."""
        if self._connection is None or not self.online:
            return False
        self._tell(self._connection, "diag", diag)
        return True

    def say_state(self) -> "asyncio.Future[int] | None":
        """Say `ready` once more; the future gives the broker's code. None without a connection."""
        if self._connection is None or not self.online:
            return None
        return self._say_state(self._connection, "ready")

    def again(self, keys: list[Key]) -> None:
        """Send these again now."""
        self._flight.again(keys)
        self._wake.set()

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
        self.verdicts.take(feedback)
        self._wake.set()

    def forget(self, keys: set[tuple[int, int]]) -> None:
        """The spool dropped these."""
        self._flight.gone(keys)
