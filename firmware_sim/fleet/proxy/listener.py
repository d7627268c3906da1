"""The proxy itself: it listens, and does to its connections what it is told."""

import asyncio
from random import Random
from types import TracebackType
from typing import Self

from firmware_sim.fleet.proxy.pair import Pair, reset
from firmware_sim.fleet.proxy.way import Weather


class _Refused(asyncio.Protocol):
    """Whoever comes while nobody is let in."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        reset(transport)


class Proxy:
    """Forwards a loopback port to a target, for the time of an `async with` block.

    `share` (0 to 1) says how many of the connections that are there are hit, drawn by the seed;
    at least one, where there is one. Everything is to be called in the loop the proxy runs in.
    """

    def __init__(
        self, listen_port: int, target_host: str, target_port: int, *, seed: int = 1
    ) -> None:
        """`listen_port` 0 takes a free one; see `port`."""
        self._port = listen_port
        self._target = (target_host, target_port)
        self._chance = Random(seed)  # noqa: S311 - repeatable
        self._weather = Weather()
        self._pairs: dict[Pair, None] = {}  # in the order of coming, so that a seed hits the same
        self._refuses = False
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self._port

    @property
    def connections(self) -> int:
        """How many there are now, half-open ones too."""
        return len(self._pairs)

    async def __aenter__(self) -> Self:
        """Listen. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._arrived, "127.0.0.1", self._port, backlog=4096
        )
        self._port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.sleep(0)

    def cut(self, share: float = 1.0) -> int:
        """End connections at once, with a reset; how many. New ones are let in."""
        hit = self._hit(share)
        for pair in hit:
            pair.cut()
        return len(hit)

    def cut_after(self, count: int, share: float = 1.0) -> int:
        """End connections after so many further bytes from the client, in the middle of whatever
        packet that is; how many it will hit."""
        hit = self._hit(share)
        for pair in hit:
            pair.up.cut_after(count)
        return len(hit)

    def stall(self, seconds: float, share: float = 1.0) -> int:
        """Pass nothing on for a while, then everything that came meanwhile; how many."""
        hit = self._hit(share)
        until = asyncio.get_running_loop().time() + seconds
        for pair in hit:
            pair.up.stall(until)
            pair.down.stall(until)
        return len(hit)

    def half_open(self, share: float = 1.0) -> int:
        """Swallow everything in both directions from now on and close nothing; how many."""
        hit = self._hit(share)
        for pair in hit:
            pair.half_open()
        return len(hit)

    def delay(self, ms: float) -> None:
        """Pass every byte on so much later, in both directions, until told otherwise; 0 ends it."""
        self._weather.delay_s = ms / 1000.0

    def bandwidth(self, bytes_per_s: float | None) -> None:
        """Limit each connection and direction, until told otherwise; None ends it."""
        self._weather.bytes_per_s = bytes_per_s

    def refuse(self, refuse: bool = True) -> None:
        """Let nobody new in (a reset at once); connections that are there go on."""
        self._refuses = refuse

    def heal(self) -> None:
        """End every trouble. What was swallowed stays lost, so half-open connections are cut."""
        self._refuses = False
        self.delay(0)
        self.bandwidth(None)
        for pair in list(self._pairs):
            if pair.up.swallows:
                pair.cut()
            else:
                pair.up.unstall()
                pair.down.unstall()

    def _arrived(self) -> asyncio.Protocol:
        if self._refuses:
            return _Refused()
        pair = Pair(self._weather, self._target, self._gone)
        self._pairs[pair] = None
        return pair.client

    def _gone(self, pair: Pair) -> None:
        self._pairs.pop(pair, None)

    def _hit(self, share: float) -> list[Pair]:
        there = list(self._pairs)
        count = min(len(there), max(1, round(len(there) * share))) if share > 0 else 0
        return there if count == len(there) else self._chance.sample(there, count)
