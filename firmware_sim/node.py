"""The smallest device that speaks HH/1: it publishes what it is given and waits for receipts.

It keeps nothing on disk and judges nothing; for a device that does, run the gateway. A message
without a receipt is sent again, as the contract asks, and counts as delivered only by the hub's
receipt, never by the broker's.
"""

import asyncio
import random
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from contract.codec import Down, decode_down, encode
from contract.messages import Envelope, Feedback, State
from contract.topics import HUB_STATUS, parse, up
from runtime.settings import parse_broker_url

KINDS: Final = {
    "Obs": "obs",
    "Birth": "birth",
    "Event": "event",
    "Ack": "ack",
    "Result": "res",
    "Wave": "wave",
}
_RETAINED: Final = frozenset({"birth"})
_IN_FLIGHT: Final = 10


class SimulatedNode:
    """One node at the broker, for the time of an `async with` block."""

    def __init__(
        self,
        broker_url: str,
        *,
        boot: int | None = None,
        con: int = 1,
        resend_s: float = 60.0,
        persistent: bool = True,
    ) -> None:
        """`broker_url` carries the node's id and password: mqtt://node:password@host:port."""
        self._broker = parse_broker_url(broker_url)
        self.id = self._broker.user or ""
        self.boot = random.randrange(2**32) if boot is None else boot  # noqa: S311 - not a secret
        self.con = con
        self.received: list[tuple[str, Down]] = []
        self._resend_s = resend_s
        self._persistent = persistent
        self._seq = 0
        self._open: dict[int, tuple[str, bytes]] = {}
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._client = self._make_client()
        host, port = self._broker.host, self._broker.port
        await asyncio.to_thread(self._client.connect, host, port, 60)
        self._client.loop_start()
        await asyncio.wait_for(self._ready, 10.0)
        self._resender = asyncio.create_task(self._resend())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._resender.cancel()
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    def send(self, message: Envelope) -> int:
        """Publish a counted message under this node's boot and next number, which it returns."""
        kind = KINDS[type(message).__name__]
        seq, self._seq = self._seq, self._seq + 1
        stamped = msgspec.structs.replace(message, boot=self.boot, seq=seq, rc=1)
        self._open[seq] = (kind, encode(stamped))
        self._publish(kind, self._open[seq][1])
        return seq

    def say(self, state: str, *, plan: int | None = None) -> None:
        """Publish the node's state, with the revision of the plan it holds."""
        message = State(v=0, s=state, con=self.con, boot=self.boot, plan=plan)
        self._publish("state", encode(message))

    async def receipted(self, *, timeout_s: float = 30.0) -> None:
        """Wait until the hub has receipted everything; TimeoutError says it has not."""
        async with asyncio.timeout(timeout_s):
            while self._open:
                self._changed.clear()
                await self._changed.wait()

    async def hub_ready(self, *, timeout_s: float = 30.0) -> None:
        """Wait until the hub says it takes data: what is published before may be gone."""
        await self.heard("status", lambda status: status.s == "ready", timeout_s=timeout_s)

    async def heard(
        self, kind: str, wanted: Callable[[Any], bool] = lambda _: True, *, timeout_s: float = 60.0
    ) -> Any:
        """The first message of a kind that is wanted, also one that came before."""
        async with asyncio.timeout(timeout_s):
            while True:
                self._changed.clear()
                for came, message in self.received:
                    if came == kind and wanted(message):
                        return message
                await self._changed.wait()

    def _make_client(self) -> Any:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.id,
            clean_session=not self._persistent,
            reconnect_on_failure=True,
        )
        client.username_pw_set(self._broker.user, self._broker.password)
        client.max_inflight_messages_set(_IN_FLIGHT)
        will = State(v=0, s="lost", con=self.con)
        client.will_set(up(self.id, "state"), encode(will), 1, retain=True)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _publish(self, kind: str, payload: bytes) -> None:
        retain = kind in _RETAINED or kind == "state"
        self._client.publish(up(self.id, kind), payload, 1, retain)

    async def _resend(self) -> None:
        while True:
            await asyncio.sleep(self._resend_s)
            for kind, payload in list(self._open.values()):
                self._publish(kind, payload)

    # The callbacks run on paho's thread and only pass on.

    def _on_connect(self, client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        if code.is_failure:
            self._loop.call_soon_threadsafe(self._fail, str(code))
        else:
            client.subscribe([(f"hh/1/dn/{self.id}/+", 1), (HUB_STATUS, 1)])

    def _on_subscribe(self, _client: Any, _data: Any, _mid: int, _codes: Any, _more: Any) -> None:
        self._loop.call_soon_threadsafe(self._subscribed)

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        self._loop.call_soon_threadsafe(self._take, message.topic, bytes(message.payload))

    def _fail(self, reason: str) -> None:
        if not self._ready.done():
            self._ready.set_exception(ConnectionError(reason))

    def _subscribed(self) -> None:
        if not self._ready.done():
            self._ready.set_result(None)

    def _take(self, topic: str, payload: bytes) -> None:
        address = parse(topic)
        kind = "status" if topic == HUB_STATUS else address.kind if address else ""
        if payload and kind:
            message = decode_down(kind, payload)
            self.received.append((kind, message))
            if isinstance(message, Feedback):
                self._settle(message)
        self._changed.set()

    def _settle(self, feedback: Feedback) -> None:
        """Forget what the hub has stored or refused for good; both are its receipt."""
        done: list[tuple[int, int]] = []
        if feedback.rcpt is not None and feedback.rcpt.boot == self.boot:
            done += [(0, feedback.rcpt.upto), *feedback.rcpt.also]
        about = feedback.ref
        if about is not None and about.boot == self.boot and about.seq is not None:
            done += [] if feedback.retry else [(about.seq, about.seq)]
        for seq in list(self._open):
            if any(low <= seq <= high for low, high in done):
                del self._open[seq]
