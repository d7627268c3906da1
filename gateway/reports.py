"""What the node has to say, put into the spool: events, acknowledgements, results, descriptions.

Everything here is small and important; when the disk refuses it, it is kept in memory and sent
from there.
"""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from contract.instants import to_millis
from contract.messages import (
    Ack,
    Acknowledgement,
    Birth,
    ConfigError,
    ConfigReport,
    Envelope,
    Event,
    Obs,
    Result,
    Series,
    Wave,
)
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

    def configured(self, rev: int, applied: dict[str, Any], errors: list[ConfigError]) -> Key:
        """Which settings hold; retained by the broker."""
        report = ConfigReport(**self._stamp(), rev=rev, applied=applied, errors=errors)
        return _key(self._say("config", report))

    def wave(self, at: datetime | None = None, **chunk: Any) -> Key:
        """One chunk of a waveform, the keys as on the wire; `at` is its first sample's instant.

        Spooled like a reading, but the first to go when the disk is full.
        """
        stamp = self._stamp()
        if at is not None and self._time.known:
            stamp["t"] = to_millis(at)
        return _key(self._say("wave", Wave(**stamp, **chunk)))

    def trial(self) -> dict[str, Key]:
        """One harmless message of each counted kind, for a self-test: no call, and a series that
        nobody knows, which the hub sets aside."""
        series = Series(k="x_selftest", o=[0], y=[1.0], fl=["demo"])
        said = {
            "ack": self._say("ack", Ack(**self._stamp(), acks=[])),
            "obs": self._say("obs", Obs(**self._stamp(), ser=[series])),
        }
        keys = {kind: _key(message) for kind, message in said.items()}
        return keys | {"event": self.event("selftest", sev="info")}

    def result(
        self,
        command_id: str,
        st: str,
        *,
        out: dict[str, Any],
        ses: str | None = None,
        msg: str | None = None,
    ) -> Key:
        """The answer to a command."""
        result = Result(**self._stamp(), id=command_id, st=st, out=out, ses=ses, msg=msg)
        return _key(self._say("res", result))

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

    def birth(self, **description: Any) -> Key:
        """Who is there: the description of the node, retained by the broker."""
        return _key(self._say("birth", Birth(**self._stamp(), **description)))


def _key(envelope: Envelope) -> Key:
    return envelope.boot, envelope.seq
