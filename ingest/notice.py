"""Degraded from the start: the database is away, so nobody can know who acts, and nobody does.

Who waits takes no session of the hub then, which another process may well be holding, and says
only what is missing: where hub/status is `offline`, or was never said, it says `degraded` (safety
rule 15). Over a connection of its own, which ends when the database answers.
"""

import asyncio
import contextlib
from typing import Final

import msgspec

from contract import messages, topics
from ingest.hub_status import status
from ingest.mqtt_session import Arrival, Session, SessionOptions
from ingest.standby import Standby
from runtime.clock import Clock

# What is retained comes right after the subscription.
_RETAINED_S: Final = 1.0


class Notice:
    """Watches the waiting, and speaks when it cannot even wait."""

    def __init__(
        self, options: SessionOptions, standby: Standby, *, clock: Clock, after_s: float
    ) -> None:
        """`options` are those of a session of its own, subscribed to hub/status."""
        self._options = options
        self._standby = standby
        self._clock = clock
        self._after_s = after_s
        self._last: str | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(min(0.5, self._after_s))
            if self._standby.blind_for(self._after_s):
                await self._speak()

    async def _speak(self) -> None:
        self._last = None
        heard = asyncio.Event()

        def hear(arrival: Arrival) -> None:
            self._last = _said(arrival.payload)
            heard.set()
            session.settle([arrival])

        session = Session(self._options, clock=self._clock, on_message=hear)
        connected = asyncio.create_task(session.run())
        try:
            while self._standby.blind_for(0.0):
                heard.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_RETAINED_S):
                        await heard.wait()
                if session.ready.is_set() and self._last in (None, "offline"):
                    session.publish(status("degraded", self._clock))
        finally:
            connected.cancel()
            await asyncio.gather(connected, return_exceptions=True)


def _said(payload: bytes) -> str | None:
    with contextlib.suppress(msgspec.DecodeError):
        return msgspec.json.decode(payload, type=messages.HubStatus).s
    return None


FILTERS: Final = (topics.HUB_STATUS,)
