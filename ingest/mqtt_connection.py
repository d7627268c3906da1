"""One TCP connection: bytes into whole packets, and its end noticed exactly once."""

import asyncio
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from ingest.mqtt_frame import FrameError, packet_length

_WRITE_BUFFER: Final = 4 * 1024 * 1024
_REST_S: Final = 0.002

Packet = TypeVar("Packet")


class SessionLostError(Exception):
    """The connection ended, was refused or made no sense. `slow`: come back late."""

    def __init__(self, reason: str, *, slow: bool = False) -> None:
        super().__init__(reason)
        self.slow = slow


class Connection(asyncio.Protocol, Generic[Packet]):
    """Bytes of one connection into packets."""

    def __init__(
        self,
        on_packet: Callable[[Packet], None],
        decode: Callable[[memoryview], Packet],
        limit: int,
    ) -> None:
        self._on_packet = on_packet
        self._decode = decode
        self._limit = limit
        self._buffer = bytearray()
        self._outgoing: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.paused = False
        self.heard_at = asyncio.get_running_loop().time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(SessionLostError(f"connection lost: {exc or 'closed by the broker'}"))

    def data_received(self, data: bytes) -> None:
        self.heard_at = asyncio.get_running_loop().time()
        self._buffer += data
        self._drain()
        self._rest()

    def _rest(self) -> None:
        """Brokers write every message by itself. Whoever wakes up for each of them is busy waking
        up: what comes within two milliseconds is read at once."""
        if self._transport is not None and not self.paused and not self._transport.is_closing():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(_REST_S, self._listen)

    def _listen(self) -> None:
        if self._transport is not None and not self.paused and not self._transport.is_closing():
            self._transport.resume_reading()

    def _drain(self) -> None:
        if self.lost.done():
            return
        try:
            # The view is released before the buffer is trimmed; an exported one cannot shrink.
            with memoryview(self._buffer) as view:
                done = self._take_packets(view)
        except (FrameError, SessionLostError) as error:
            self.fail(error)
            return
        del self._buffer[:done]

    def _take_packets(self, view: memoryview) -> int:
        start, end = 0, len(view)
        while not self.paused:
            length = packet_length(self._buffer, start, self._limit)
            if length is None or start + length > end:
                break
            with view[start : start + length] as packet:
                decoded = self._decode(packet)
            start += length
            self._on_packet(decoded)
        return start

    def write(self, data: bytes) -> bool:
        """Hand bytes to the network; False when they cannot leave any more."""
        if self._transport is None or self._transport.is_closing():
            return False
        # What is written in one go leaves in one go: a call to the network costs more than a
        # message.
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing.append(data)
        return True

    def _flush(self) -> None:
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        if data and self._transport is not None:
            self._transport.write(data)

    @property
    def congested(self) -> bool:
        """The broker does not take what is written."""
        transport = self._transport
        return transport is not None and transport.get_write_buffer_size() > _WRITE_BUFFER

    def pause(self, paused: bool) -> None:
        """Stop, or go on, taking packets and reading from the network."""
        if self._transport is None or self.paused == paused or self._transport.is_closing():
            return
        self.paused = paused
        if paused:
            self._transport.pause_reading()
        else:
            self.heard_at = asyncio.get_running_loop().time()
            self._transport.resume_reading()
            # What was read before the pause comes first; not from inside the caller's work.
            asyncio.get_running_loop().call_soon(self._drain)

    def fail(self, error: Exception) -> None:
        """End the connection, now."""
        if not self.lost.done():
            self.lost.set_exception(error)
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """Flush what was written and close."""
        self._flush()
        if self._transport is not None:
            self._transport.close()
        # Not wait_for: on Python 3.11 it can swallow a cancellation that comes at the same moment.
        await asyncio.wait([self.lost], timeout=1.0)
        if self.lost.done() and not self.lost.cancelled():
            self.lost.exception()  # looked at, so that nobody warns of it
