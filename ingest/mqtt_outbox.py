"""What the hub has to say at QoS 1: waiting, then in flight until the broker has taken it."""

from collections import deque
from typing import Final, NamedTuple

_LAST_ID: Final = 65_535


class Outgoing(NamedTuple):
    """One message to publish; `expiry_s` is how long the broker may keep it for the receiver."""

    topic: str
    payload: bytes
    retain: bool = False
    expiry_s: int | None = None


class Outbox:
    """Bounded: when it is full the oldest waiting message goes, and is counted in `lost`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[Outgoing] = deque()
        self._in_flight: dict[int, Outgoing] = {}
        self._last_id = 0
        self.lost = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    def put(self, message: Outgoing) -> None:
        """Queue a message. A retained one replaces what still waits for its topic."""
        if message.retain:
            kept = [m for m in self._waiting if m.topic != message.topic]
            self._waiting = deque(kept)
        if len(self._waiting) >= self._limit:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(message)

    def take(self, window: int) -> list[tuple[int, Outgoing]]:
        """What may be sent now with at most `window` in flight, each with its packet id."""
        taken = []
        while self._waiting and len(self._in_flight) < window:
            packet_id = self._free_id()
            self._in_flight[packet_id] = self._waiting.popleft()
            taken.append((packet_id, self._in_flight[packet_id]))
        return taken

    def acknowledged(self, packet_id: int) -> Outgoing | None:
        """The broker has answered: what it was."""
        return self._in_flight.pop(packet_id, None)

    def again(self) -> list[tuple[int, Outgoing]]:
        """What was in flight when the connection broke, to be sent again first, in order."""
        return list(self._in_flight.items())

    def _free_id(self) -> int:
        # 1 is kept for SUBSCRIBE, which is sent once at the start of every connection.
        packet_id = self._last_id
        while True:
            packet_id = packet_id + 1 if 1 < packet_id + 1 <= _LAST_ID else 2
            if packet_id not in self._in_flight:
                self._last_id = packet_id
                return packet_id
