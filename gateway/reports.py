"""What the node has to say, put into the spool: events, acknowledgements, results, descriptions.

Everything here is small and important; when the disk refuses it, it is kept in memory and sent
from there.
"""

import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

from contract.instants import to_millis
from contract.messages import Ack, Acknowledgement, Birth, Envelope, Event, Result
from gateway.spool import Key, Message, Spool
from gateway.timekeeper import Timekeeper
from gateway.uptime import uptime_ms

SPEC_MINOR: Final = 0


def new_id(now_ms: int) -> str:
    """An id nobody has used: time first, so that ids sort."""
    return f"{now_ms:011x}{secrets.token_hex(5)}"


class Reports:
    """Speaks for the node. `nudge` tells the uplink that something waits."""

    def __init__(
        self, spool: Spool, timekeeper: Timekeeper, *, who: str | None, nudge: Callable[[], None]
    ) -> None:
        self._spool = spool
        self._time = timekeeper
        self._who = who
        self._nudge = nudge

    def _stamp(self) -> dict[str, Any]:
        """The head of a message: when it is said, by which clock. The spool numbers it."""
        head: dict[str, Any] = {"v": SPEC_MINOR, "boot": 0, "seq": 0, "clk": self._time.clk}
        if self._time.known:
            return head | {"t": to_millis(self._time.now()), "cerr": self._time.error_ms}
        return head | {"up": uptime_ms()}

    def _say(self, kind: str, message: Message) -> Message:
        said = self._spool.add_urgent(kind, message, self._time.now())
        self._nudge()
        return said

    def acknowledge(self, acks: Sequence[Acknowledgement]) -> None:
        """What became of doses, reminders and plans."""
        if acks:
            self._say("ack", Ack(**self._stamp(), acks=list(acks)))

    def result(
        self, command_id: str, st: str, *, out: dict[str, Any], ses: str | None, msg: str | None
    ) -> None:
        """The answer to a command."""
        self._say("res", Result(**self._stamp(), id=command_id, st=st, out=out, ses=ses, msg=msg))

    def event(
        self,
        event_type: str,
        *,
        event_id: str | None = None,
        sev: str | None = None,
        src: dict[str, Any] | None = None,
        ctx: dict[str, Any] | None = None,
        ref: str | None = None,
        ms: int | None = None,
    ) -> Key:
        """Something happened; returns how the message is called."""
        event = Event(
            **self._stamp(),
            id=event_id or new_id(to_millis(self._time.now())),
            type=event_type,
            sev=sev,
            src=src or {},
            ctx=ctx or {},
            ref=ref,
            who=self._who,
            ms=ms,
        )
        return _key(self._say("event", event))

    def birth(self, **description: Any) -> None:
        """Who is there: the description of the node, retained by the broker."""
        self._say("birth", Birth(**self._stamp(), **description))


def _key(envelope: Envelope) -> Key:
    return envelope.boot, envelope.seq
