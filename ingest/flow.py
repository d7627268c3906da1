"""Connected, and yet nothing arrives: the failure that looks like calm (promises.md, lesson 4).

Now and then the hub publishes a word to itself, on a topic that both its connections subscribe
to. A connection over which nothing at all came while its word was on the way is of no use,
whatever it says of itself: it counts as a trouble, and is dropped and made anew, which subscribes
again. A broker that does not let the hub publish there is told apart: then nothing is judged.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from contract import topics
from ingest.health import Health
from ingest.mqtt_outbox import Outgoing
from ingest.mqtt_session import Arrival, Session
from runtime.metrics import Tally

_LOG = structlog.get_logger()
_NOBODY_SUBSCRIBES: Final = 0x10
_REFUSED: Final = 0x80
# A word that is not back after so many rounds is lost; a connection is made anew so seldom.
_ROUNDS: Final = 2
_CUT_AGAIN: Final = 6


class _Lane:
    """One connection: how much had arrived when it was asked, and for how many rounds nothing."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.before: int | None = None
        self.rounds = 0
        self.since_cut = _CUT_AGAIN

    def silent(self) -> bool:
        """A round has passed: whether it was asked and nothing at all has come since."""
        session = self.session
        may_hear = session.ready.is_set() and not session.full
        if may_hear and session.arrived == self.before:
            self.rounds += 1
        else:
            self.before, self.rounds = None, 0
        return self.rounds >= _ROUNDS


class Flow:
    """Asks, listens, and drops what is deaf. One word is on the way at a time."""

    def __init__(
        self,
        lanes: Mapping[str, Session],
        publish: Callable[[Outgoing], None],
        *,
        user: str,
        every_s: float,
        health: Health,
        monotonic: Callable[[], float],
        back_s: Tally,
    ) -> None:
        """`user` is who the hub is at the broker: everybody may publish below their own name."""
        self._lanes = {name: _Lane(session) for name, session in lanes.items()}
        self._publish = publish
        self._every_s = every_s
        self._health = health
        self._monotonic = monotonic
        self._back_s = back_s
        # `time` is a kind that both connections hear.
        self._topic = topics.up(user, "time")
        self._word = b""
        self._said_at = 0.0
        self._denied = False

    def took(self, arrival: Arrival) -> bool:
        """Whether it was such a word, this one or one of a predecessor; it is to be settled."""
        if arrival.topic != self._topic:
            return False
        if arrival.payload == self._word:
            self._back_s.add([self._monotonic() - self._said_at])
        return True

    def answered(self, topic: str, code: int) -> None:
        """What the broker said of a publish."""
        if topic != self._topic:
            return
        if code >= _REFUSED and not self._denied:
            self._denied = True
            _LOG.warning("flow_not_watched", reason="the broker refuses the hub's own topic")
        elif code == _NOBODY_SUBSCRIBES:
            for name, lane in self._lanes.items():
                self._is_deaf(name, lane, "nobody subscribes")

    async def run(self) -> None:
        """A round now and then, until cancelled or the broker does not let it."""
        while not self._denied:
            self.round()
            await asyncio.sleep(self._every_s)

    def round(self) -> None:
        """Judge what came since the last one, and ask again."""
        for name, lane in self._lanes.items():
            asked = lane.before is not None
            lane.since_cut += 1
            if lane.silent():
                self._is_deaf(name, lane, "nothing comes back")
            elif asked and lane.before is None and lane.session.ready.is_set():
                self._health.fine(_trouble(name))
        self._ask()

    def _ask(self) -> None:
        lanes = self._lanes.values()
        if not all(lane.session.ready.is_set() for lane in lanes):
            return
        for lane in lanes:
            if lane.before is None:
                lane.before = lane.session.arrived
        self._word, self._said_at = secrets.token_bytes(8), self._monotonic()
        # Nobody wants it later.
        self._publish(Outgoing(self._topic, self._word, expiry_s=60))

    def _is_deaf(self, name: str, lane: _Lane, reason: str) -> None:
        self._health.trouble(_trouble(name), reason)
        if lane.since_cut >= _CUT_AGAIN:
            lane.since_cut = 0
            lane.session.cut(reason)


def _trouble(name: str) -> str:
    return f"{name}-deaf"
