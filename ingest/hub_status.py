"""hub/status: whether devices should send, or keep what they have for a while.

`ready` once the database has answered, `degraded` when it has not for some seconds, `offline`
when the hub leaves or, by the will, when it has been gone for ten seconds.
"""

import asyncio
from typing import Final, Protocol

import structlog

from contract import codec, messages, topics
from contract.instants import to_millis
from ingest.health import Health
from ingest.mqtt_outbox import Outgoing
from runtime.clock import Clock
from store.failure import UnavailableError
from store.line import Line

_LOG = structlog.get_logger()
SPEC: Final = "1.0"
DATABASE: Final = "database"


class Publisher(Protocol):
    """Whoever can publish for the hub."""

    def publish(self, message: Outgoing) -> None:
        """At QoS 1."""


def status(state: str, clock: Clock | None = None) -> Outgoing:
    """The retained status message; without a clock (the will) it names no time."""
    t = to_millis(clock.now()) if clock else None
    payload = codec.encode(messages.HubStatus(s=state, spec=SPEC, t=t))
    return Outgoing(topics.HUB_STATUS, payload, retain=True)


class StatusBoard:
    """Asks the database, judges, and keeps hub/status true."""

    def __init__(
        self,
        line: Line,
        health: Health,
        *,
        clock: Clock,
        probe_every_s: float,
        degraded_after_s: float,
    ) -> None:
        self._line = line
        self._health = health
        self._clock = clock
        self._probe_every_s = probe_every_s
        self._degraded_after_s = degraded_after_s
        self._state: str | None = None
        self._answered = False
        self.publisher: Publisher | None = None
        # What must be set for the hub to be of use, beside the database.
        self.links: dict[str, asyncio.Event] = {}

    @property
    def ready(self) -> bool:
        """Whether the hub says it is ready."""
        return self._state == "ready"

    def announce(self) -> None:
        """Say what is known, after every connection: the will may have spoken meanwhile."""
        if self._state is not None and self.publisher is not None:
            self.publisher.publish(status(self._state, self._clock))

    async def run(self) -> None:
        """Probe and judge, until cancelled."""
        while True:
            await self._probe()
            self._look_at_links()
            self._judge()
            await asyncio.sleep(self._probe_every_s)

    async def _probe(self) -> None:
        try:
            await self._line.ping(self._probe_every_s * 2)
        except UnavailableError as error:
            self._health.trouble(DATABASE, str(error))
        else:
            self._answered = True
            self._health.fine(DATABASE)

    def _look_at_links(self) -> None:
        for name, link in self.links.items():
            if link.is_set():
                self._health.fine(name)
            else:
                self._health.trouble(name, "not connected")

    def _judge(self) -> None:
        lasting = self._health.lasting(self._degraded_after_s)
        if lasting:
            state = "degraded"
        elif self._answered and not self._health.lasting(0.0):
            state = "ready"
        else:
            return
        if state != self._state:
            _LOG.info("hub_status", status=state, troubles=lasting)
            self._state = state
            self.announce()
