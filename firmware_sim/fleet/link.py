"""Many plain TCP connections under one event loop, each costing one file descriptor.

An asyncio transport costs several kilobytes and a callback for each event; here one epoll serves
all of them and the loop sees one file.
"""

import asyncio
import errno
import os
import select
import socket
from collections.abc import Callable
from typing import Final

_RECEIVE: Final = 65_536
_EVENTS: Final = 256
_CONGESTED: Final = 1 << 20
_UNDER_WAY: Final = frozenset({errno.EINPROGRESS, errno.EAGAIN, errno.EWOULDBLOCK})
_IN, _OUT = select.EPOLLIN, select.EPOLLOUT


class Links:
    """The connections of a fleet. `after_events` runs once after each handful of events."""

    def __init__(self, after_events: Callable[[], None]) -> None:
        self._epoll = select.epoll()
        self._links: dict[int, Link] = {}
        self._after_events = after_events
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._epoll.fileno(), self._happened)

    def close(self) -> None:
        """Close every connection."""
        self._loop.remove_reader(self._epoll.fileno())
        for link in list(self._links.values()):
            link.close()
        self._epoll.close()

    def add(self, link: "Link") -> None:
        """Begin to watch a connection that is being made."""
        self._links[link.file] = link
        self._epoll.register(link.file, _IN | _OUT)

    def remove(self, link: "Link") -> None:
        """Watch it no longer."""
        if self._links.pop(link.file, None) is not None:
            self._epoll.unregister(link.file)

    def watch_writing(self, link: "Link", writing: bool) -> None:
        """Whether to tell when more can be written."""
        self._epoll.modify(link.file, _IN | _OUT if writing else _IN)

    def _happened(self) -> None:
        for file, events in self._epoll.poll(0, _EVENTS):
            link = self._links.get(file)
            if link is not None:
                link.happened(events)
        self._after_events()


class Link:
    """One connection. Exactly one of these ends it: `on_lost` is told why, or `close` was called.

    `on_open` is told when it is made, `on_data` gets the bytes as they come.
    """

    def __init__(
        self,
        links: Links,
        address: tuple[str, int],
        *,
        on_open: Callable[[], None],
        on_data: Callable[[bytes], None],
        on_lost: Callable[[str], None],
    ) -> None:
        """Begins to connect. Raises OSError when the system has no more connections to give."""
        self._links = links
        self._on_open, self._on_data, self._on_lost = on_open, on_data, on_lost
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self._socket.fileno()
        self._waiting = bytearray()
        self._writing = True  # watched until it is open
        self._open = self._ended = False
        code = self._socket.connect_ex(address)
        if code and code not in _UNDER_WAY:
            self._socket.close()
            raise OSError(code, os.strerror(code))
        links.add(self)

    @property
    def congested(self) -> bool:
        """The other side does not take what is written."""
        return len(self._waiting) > _CONGESTED

    def write(self, data: bytes) -> None:
        """Send bytes, in order, as soon as they are taken."""
        if self._ended:
            return
        if self._waiting or not self._open:
            self._waiting += data
            return
        try:
            done = self._socket.send(data)
        except BlockingIOError:
            done = 0
        except OSError as error:
            self._lose(error.strerror or "write")
            return
        if done < len(data):
            self._waiting += data[done:]
            self._watch(True)

    def happened(self, events: int) -> None:
        """The system has something to say about it."""
        if not self._open:
            code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self._lose(os.strerror(code))
                return
            self._open = True
            self._on_open()
        if events & _OUT and not self._ended:
            self._write_on()
        if events & ~_OUT and not self._ended:
            self._read()

    def close(self) -> None:
        """End it without telling anybody."""
        if not self._ended:
            self._ended = True
            self._links.remove(self)
            self._socket.close()

    def _write_on(self) -> None:
        if self._waiting:
            try:
                done = self._socket.send(self._waiting)
            except BlockingIOError:
                return
            except OSError as error:
                self._lose(error.strerror or "write")
                return
            del self._waiting[:done]
        self._watch(bool(self._waiting))

    def _watch(self, writing: bool) -> None:
        if writing != self._writing:
            self._writing = writing
            self._links.watch_writing(self, writing)

    def _read(self) -> None:
        try:
            data = self._socket.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error.strerror or "read")
            return
        if data:
            self._on_data(data)
        else:
            self._lose("closed by the broker")

    def _lose(self, reason: str) -> None:
        if not self._ended:
            self.close()
            self._on_lost(reason)
