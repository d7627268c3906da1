"""Two ends of one connection through the proxy: the client's and the target's."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Final

from firmware_sim.fleet.proxy.way import Way, Weather

_RESET: Final = struct.pack("ii", 1, 0)  # close without a word: the peer sees a reset


class _End(asyncio.Protocol):
    """One end: what it hears goes out at the other one."""

    def __init__(self, pair: "Pair", *, near: bool) -> None:
        self._pair = pair
        self._near = near
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        self.transport = transport
        self._pair.made(self._near, transport)

    def data_received(self, data: bytes) -> None:
        self._pair.way(self._near).take(data)

    def pause_writing(self) -> None:
        self._pair.way(not self._near).sink_is_full(True)

    def resume_writing(self) -> None:
        self._pair.way(not self._near).sink_is_full(False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pair.lost(self._near, broken=exc is not None)


class Pair:
    """One connection. `up` is from the client to the target."""

    def __init__(
        self, weather: Weather, target: tuple[str, int], on_end: Callable[["Pair"], None]
    ) -> None:
        """Waits for its client."""
        self._target = target
        self._on_end = on_end
        self._ends = (_End(self, near=True), _End(self, near=False))
        self._ended = False
        self.up = Way(weather, pause=lambda on: self._pause(0, on), on_cut=self.cut)
        self.down = Way(weather, pause=lambda on: self._pause(1, on), on_cut=self.cut)
        self._dial: asyncio.Task[None] | None = None

    @property
    def client(self) -> asyncio.Protocol:
        """The end for the client."""
        return self._ends[0]

    def way(self, near: bool) -> Way:
        """Where bytes heard at this end go."""
        return self.up if near else self.down

    def made(self, near: bool, transport: asyncio.Transport) -> None:
        """An end is connected: the client's first, then the target is dialled."""
        if near:
            self.down.open(transport)
            self._dial = asyncio.get_running_loop().create_task(self._connect())
        else:
            self.up.open(transport)

    def lost(self, near: bool, *, broken: bool) -> None:
        """An end is gone. Who is half open hears nothing of it."""
        if self._ended:
            return
        swallowed = self.way(near).swallows
        if broken and not swallowed:
            self.cut()
        elif not swallowed:
            self.way(near).end()
        if all(end.transport is None or end.transport.is_closing() for end in self._ends):
            self._over()

    def cut(self) -> None:
        """End both ends with a reset, and forget what waits; what was written is flushed to the
        target first, so that it sees half a packet."""
        if self._dial is not None:
            self._dial.cancel()
        self.up.drop()
        self.down.drop()
        near, far = (end.transport for end in self._ends)
        if near is not None:
            reset(near)
        if far is not None:
            far.close()
        self._over()

    def half_open(self) -> None:
        """Swallow everything, close nothing."""
        self.up.swallow()
        self.down.swallow()

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self._ends[1], *self._target)
        except OSError:
            self.cut()

    def _pause(self, end: int, on: bool) -> None:
        transport = self._ends[end].transport
        if transport is not None and not transport.is_closing():
            if on:
                transport.pause_reading()
            else:
                transport.resume_reading()

    def _over(self) -> None:
        if not self._ended:
            self._ended = True
            self._on_end(self)


def reset(transport: asyncio.Transport) -> None:
    """Close at once; the peer sees a reset."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
