"""A BM 65 made of bytes by hand on a pseudo-terminal: what the gateway finds on its port."""

import os
import select
import termios
import threading
import tty
from pathlib import Path

DESCRIPTION = b"Andon Blood Pressure Meter KD001".ljust(32)[:32]


def frame(sys: int, dia: int, pulse: int, when: tuple[int, int, int, int, int]) -> bytes:
    """Nine bytes of a record; `when` is year, month, day, hour, minute of the meter's clock."""
    year, month, day, hour, minute = when
    return bytes((0xAC, sys - 25, dia - 25, pulse, month, day, hour, minute, year - 2000))


class MeterOnPty:
    """Answers questions on a pty. `frames` is its memory, slot 1 first (the newest)."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.frames: list[bytes] = []
        self.asked: list[bytes] = []
        self.silent = False
        self._stop = False
        self._master = -1
        self._thread: threading.Thread | None = None

    def plug(self) -> None:
        """Connect it: the port appears."""
        self._master, slave = os.openpty()
        tty.setraw(slave, termios.TCSANOW)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(slave))
        os.close(slave)
        self._stop = False
        self._thread = threading.Thread(target=self._serve, args=(self._master,), daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Pull the cable: the port is gone."""
        self._stop = True
        if self._thread is not None:
            self._thread.join()
            os.close(self._master)
        self._thread = None
        self.link.unlink(missing_ok=True)

    def measured(self, new: bytes) -> None:
        """A measurement: it takes slot 1, the others move on."""
        self.frames.insert(0, new)

    def _serve(self, master: int) -> None:
        pending = b""
        while not self._stop:
            if not select.select([master], [], [], 0.02)[0]:
                continue
            try:
                pending += os.read(master, 256)
            except OSError:  # nobody has the other end open right now
                threading.Event().wait(0.01)
                continue
            pending = self._answer(master, pending)

    def _answer(self, master: int, pending: bytes) -> bytes:
        while pending:
            if pending[0] == 0xA3:
                if len(pending) < 2:
                    return pending
                ask, pending = pending[:2], pending[2:]
            else:
                ask, pending = pending[:1], pending[1:]
            self.asked.append(ask)
            reply = self._reply(ask)
            if reply and not self.silent:
                os.write(master, reply)
        return pending

    def _reply(self, ask: bytes) -> bytes:
        if ask == b"\xaa":
            return b"\x55"
        if ask == b"\xa4":
            return DESCRIPTION
        if ask == b"\xa2":
            return bytes((len(self.frames),))
        if ask[:1] == b"\xa3" and 1 <= ask[1] <= len(self.frames):
            return self.frames[ask[1] - 1]
        return b""
