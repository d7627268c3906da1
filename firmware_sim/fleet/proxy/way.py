"""One direction of one connection: bytes pass, wait, are slowed down or vanish."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

_FULL: Final = 256 * 1024
_LEAST_PIECE: Final = 64
_PIECES_A_SECOND: Final = 20


class Weather:
    """What every connection suffers at the moment."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.bytes_per_s: float | None = None


class Way:
    """From one end to the other; what comes before the other end is there waits."""

    def __init__(
        self,
        weather: Weather,
        *,
        pause: Callable[[bool], None],
        on_cut: Callable[[], None],
    ) -> None:
        """`pause` stops and restarts the source; `on_cut` is told when enough bytes passed."""
        self._weather = weather
        self._pause = pause
        self._on_cut = on_cut
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[float, bytes]] = deque()
        self._queued = 0
        self._timer: asyncio.TimerHandle | None = None
        self._free_at = 0.0
        self._stalled_until = 0.0
        self._left: int | None = None
        self._sink_full = self._paused = False
        self._ending = False
        self.swallows = False
        self._sink: asyncio.Transport | None = None

    def open(self, sink: asyncio.Transport) -> None:
        """The other end is there."""
        self._sink = sink
        self._go_on()

    def take(self, data: bytes) -> None:
        """Bytes came from the source."""
        if self.swallows:
            return
        if self._left is not None:
            data, self._left = data[: self._left], self._left - len(data[: self._left])
        weather = self._weather
        if self._queue or weather.delay_s or weather.bytes_per_s or self._is_stalled():
            self._queue.append((self._loop.time() + weather.delay_s, data))
            self._queued += len(data)
            self._go_on()
        else:
            self._write(data)
        if self._left == 0:
            self._left, self.swallows = None, True
            if not self._queue:
                self._on_cut()
        self._mind()

    def cut_after(self, count: int) -> None:
        """Let so many further bytes through, then say so; at least one."""
        self._left = max(1, count)

    def stall(self, until: float) -> None:
        """Let nothing through before that time of the loop."""
        self._stalled_until = max(self._stalled_until, until)
        self._mind()
        self._go_on()

    def swallow(self) -> None:
        """From now on nothing arrives any more, also not what is waiting."""
        self.swallows = True
        self.drop()
        self._mind()

    def unstall(self) -> None:
        """Let everything through."""
        self._stalled_until = 0.0
        self._go_on()

    def end(self) -> None:
        """The source has ended: so does the sink, once everything has passed."""
        self._ending = True
        self._go_on()

    def drop(self) -> None:
        """Forget what waits."""
        self._queue.clear()
        self._queued = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def sink_is_full(self, full: bool) -> None:
        """The other end takes no more, or takes more again."""
        self._sink_full = full
        self._mind()

    def _is_stalled(self) -> bool:
        return self._sink is None or self._loop.time() < self._stalled_until

    def _mind(self) -> None:
        """A source that sends faster than bytes pass has to wait."""
        full = not self.swallows and (self._sink_full or self._queued > _FULL)
        if full != self._paused:
            self._paused = full
            self._pause(full)

    def _go_on(self) -> None:
        """Pass on what may pass now, and come back for the rest."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._sink is None:
            return
        while self._queue:
            wait = self._next_at() - self._loop.time()
            if wait > 0:
                self._timer = self._loop.call_later(wait, self._go_on)
                self._mind()
                return
            self._pass_a_piece()
        self._mind()
        if self.swallows and not self._ending:
            self._ending = True
            self._on_cut()
        elif self._ending:
            self._sink.close()

    def _next_at(self) -> float:
        return max(self._queue[0][0], self._free_at, self._stalled_until)

    def _pass_a_piece(self) -> None:
        due, data = self._queue.popleft()
        rate = self._weather.bytes_per_s
        if rate:
            size = max(_LEAST_PIECE, int(rate / _PIECES_A_SECOND))
            if len(data) > size:
                self._queue.appendleft((due, data[size:]))
                data = data[:size]
            self._free_at = self._loop.time() + len(data) / rate
        self._queued -= len(data)
        self._write(data)

    def _write(self, data: bytes) -> None:
        if self._sink is not None and not self._sink.is_closing():
            self._sink.write(data)
