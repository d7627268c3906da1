"""Stage: single messages into batches; one closes when it is full or old."""

import asyncio
import contextlib
from itertools import accumulate
from typing import Final

from ingest.mqtt_session import Arrival

# A batch of the largest messages stays small enough to be written well within a timeout.
_BYTES: Final = 2 * 1024 * 1024


class Batcher:
    """Takes messages as they come and gives them out in the same order, many at a time."""

    def __init__(self, *, size: int, age_s: float) -> None:
        self._size = size
        self._age_s = age_s
        self._waiting: list[Arrival] = []
        self._since = 0.0
        self._first = asyncio.Event()
        self._full = asyncio.Event()

    def put(self, arrival: Arrival) -> None:
        """Add a message; the session bounds how many there can be."""
        if not self._waiting:
            self._since = asyncio.get_running_loop().time()
            self._first.set()
        self._waiting.append(arrival)
        if len(self._waiting) >= self._size:
            self._full.set()

    async def next(self) -> list[Arrival]:
        """The next batch, at least one message; it is closed when its first is `age_s` old, or
        later, when it is asked for."""
        await self._first.wait()
        if len(self._waiting) < self._size:
            # Too old to wait for more is as good a reason to close as full.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._since + self._age_s):
                    await self._full.wait()
        sizes = accumulate(len(arrival.payload) for arrival in self._waiting[1 : self._size])
        cut = 1 + sum(1 for size in sizes if size <= _BYTES)
        taken, self._waiting = self._waiting[:cut], self._waiting[cut:]
        if not self._waiting:
            self._first.clear()
        if len(self._waiting) < self._size:
            self._full.clear()
        return taken
