"""What the hub says of our messages: receipts, refusals, throttles, warnings; and what follows.

A receipt deletes. Refused for good is dropped and told in `diag`. A throttle holds measurements
back, a soft one only the backlog; a call for help is never held.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog
from msgspec import structs

from contract.messages import Feedback
from gateway.configured import Configured
from gateway.sending import Flight, Gate
from gateway.spool import Key, Spool
from gateway.storage import StorageUnavailableError
from gateway.timekeeper import Timekeeper

_LOG = structlog.get_logger()
# Codes that say: these bytes were not understood (syntax, not meaning).
_NOT_UNDERSTOOD: Final = "E20"
_DEPRECATED: Final = "W1"
_LONGEST_HOLD: Final = 3600.0


class Verdicts:
    """Acts upon `fb` for one node. `gate` says what measurements wait for now."""

    def __init__(
        self,
        spool: Spool,
        flight: Flight,
        timekeeper: Timekeeper,
        configured: Configured,
        *,
        changed: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spool = spool
        self._flight = flight
        self._time = timekeeper
        self._configured = configured
        self._changed = changed
        self._monotonic = monotonic
        self._told: set[str] = set()
        self._gate = Gate()
        self.refused = 0

    def gate(self, *, hub_ready: bool, live_since: int) -> Gate:
        """What measurements wait for."""
        return structs.replace(self._gate, hub_ready=hub_ready, live_since=live_since)

    def gathered(self) -> None:
        """Waveforms went out: the next ones are gathered for a while."""
        until = self._monotonic() + float(self._configured.value("batch_s"))
        self._gate = structs.replace(
            self._gate, gathered_until=max(until, self._gate.gathered_until)
        )

    def take(self, feedback: Feedback) -> None:
        """A receipt, a refusal, a throttle, a warning."""
        try:
            self._act_on(feedback)
        except StorageUnavailableError as error:
            # Sent again, receipted again.
            _LOG.error("receipt_not_stored", error=str(error))

    def _act_on(self, feedback: Feedback) -> None:
        if feedback.rcpt is not None:
            self._flight.gone(self._spool.receive(feedback.rcpt))
            self._changed()
        if feedback.echo is not None:
            return  # developer mode, for somebody who watches the topic
        if feedback.after is not None:
            self._hold(feedback)
        if feedback.ok is False:
            self._refused(feedback)
        elif feedback.code is not None:
            self._warned(feedback.code)

    def _hold(self, feedback: Feedback) -> None:
        seconds = min(max(0.0, float(feedback.after or 0)), _LONGEST_HOLD)
        until = self._monotonic() + seconds
        hard = feedback.ok is False and not (feedback.code or "").startswith("W")
        held = {"held_until": until} if hard else {}
        self._gate = structs.replace(
            self._gate, backlog_held_until=until, gathered_until=until, **held
        )
        _LOG.warning("throttled", code=feedback.code, seconds=seconds)

    def _warned(self, code: str) -> None:
        """Once a code: who says so every day would not be read."""
        if code not in self._told:
            self._told.add(code)
            kind = "deprecated" if code.startswith(_DEPRECATED) else "hub_warned"
            _LOG.warning(kind, code=code)

    def _refused(self, feedback: Feedback) -> None:
        code, key = feedback.code or "", _key(feedback)
        topic = None if feedback.ref is None else feedback.ref.topic
        # Neither `got` nor `msg`: what was refused may be somebody's pressure.
        _LOG.warning(
            "hub_refused", code=code, path=feedback.path, topic=topic, retry=feedback.retry
        )
        if code.startswith("W"):
            return
        if code.startswith(_NOT_UNDERSTOOD) and self._not_understood(code, key):
            return
        if feedback.retry is False:
            self.refused += 1
            self._flight.gone(self._spool.refuse(feedback, self._time.now()))
        elif key is not None:
            self._flight.delay(key, self._monotonic(), after=feedback.after)

    def _not_understood(self, code: str, key: Key | None) -> bool:
        """The encoding, not the message, may be what was refused: back to the last good one.

        Whether the message is kept; the report of the trial is not, another one follows.
        """
        if self._configured.encoding(key) == "json":
            return False
        was_probe = key is not None and self._configured.is_probe(key)
        if not self._configured.roll_back(code) or was_probe:
            return False
        if key is not None:
            self._flight.again([key])
        return True


def _key(feedback: Feedback) -> Key | None:
    ref = feedback.ref
    if ref is None or ref.boot is None or ref.seq is None:
        return None
    return ref.boot, ref.seq
