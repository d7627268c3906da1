"""The home's network between a gateway and the broker: a TCP proxy that can be unplugged."""

import asyncio
import contextlib
from types import TracebackType
from typing import Final, Literal, Self

import structlog

_LOG = structlog.get_logger()
_PIECE: Final = 65_536

How = Literal["refused", "silent"]


class Network:
    """Forwards one loopback port to the broker, for the time of an `async with` block.

    Cut as `refused` (the router says no) every connection breaks and no new one is made; cut as
    `silent` (a cable pulled far away) connections stay open and nothing arrives any more.
    """

    def __init__(self, host: str, port: int, *, listen_port: int = 0) -> None:
        self._target = (host, port)
        self._listen_port = listen_port
        self._server: asyncio.Server | None = None
        self._streams: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._cut: How | None = None
        self.bytes_up = 0

    @property
    def port(self) -> int:
        """Where the gateway connects; stays the same while cut."""
        return self._listen_port

    @property
    def cut_as(self) -> How | None:
        """How the network is cut; None while it works."""
        return self._cut

    async def __aenter__(self) -> Self:
        await self._listen()
        self._passing.set()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._deafen()
        self._break()

    async def cut(self, how: How = "refused") -> None:
        """Unplug the network."""
        self._cut = how
        if how == "silent":
            self._passing.clear()
        else:
            await self._deafen()
            self._break()
        _LOG.info("network_cut", how=how)

    async def restore(self) -> None:
        """Plug it in again; connections that were silent go on."""
        self._cut = None
        if self._server is None:
            await self._listen()
        self._passing.set()
        _LOG.info("network_restored")

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self._listen_port)
        self._listen_port = int(self._server.sockets[0].getsockname()[1])

    async def _deafen(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _break(self) -> None:
        self._passing.set()
        for stream in self._streams:
            stream.transport.abort()
        self._streams.clear()

    async def _join(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            far, forth = await asyncio.open_connection(*self._target)
        except OSError as error:
            _LOG.info("broker_not_there", error=str(error))
            back.transport.abort()
            return
        ends = {back, forth}
        self._streams |= ends
        try:
            await asyncio.gather(self._pass(near, forth, up=True), self._pass(far, back, up=False))
        finally:
            self._streams -= ends
            for end in ends:
                end.close()

    async def _pass(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, up: bool
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(_PIECE):
                await self._passing.wait()
                sink.write(data)
                await sink.drain()
                self.bytes_up += len(data) if up else 0
        sink.close()
