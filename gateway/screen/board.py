"""What the screen shows now, handed from the event loop to the threads that serve pages."""

import threading
from typing import Final

import msgspec

from gateway.screen.view import View

CLOSING: Final = -1


class Board:
    """The latest view and its number. Written by one thread, read by many."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._view = b"{}"
        self._number = 0
        self._closed = False

    def show(self, view: View) -> bool:
        """Show a view; whether it differs from the one before."""
        encoded = msgspec.json.encode(view)
        with self._changed:
            if encoded == self._view:
                return False
            self._view, self._number = encoded, self._number + 1
            self._changed.notify_all()
        return True

    def latest(self) -> tuple[int, bytes]:
        """The view as JSON, and its number."""
        with self._changed:
            return self._number, self._view

    def after(self, number: int, timeout: float) -> tuple[int, bytes] | None:
        """The first view newer than `number`; None after `timeout` seconds without one.

        The number is CLOSING when there will be no more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._number > number, timeout)
            if self._closed:
                return CLOSING, b""
            return (self._number, self._view) if self._number > number else None

    def close(self) -> None:
        """Let everybody who waits go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
