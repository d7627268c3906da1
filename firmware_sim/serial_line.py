"""A serial cable that is not there: a pseudo-terminal with a device behind it, and its troubles.

The host opens the slave's path with pyserial as it would open /dev/ttyUSB0. One thread answers,
so that it works whatever the host's own loop does.
"""

import os
import random
import select
import threading
import tty
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog
from msgspec import Struct

_LOG = structlog.get_logger()
_BITS_A_BYTE: Final = 10
_PIECE: Final = 4096


class Trouble(Struct, frozen=True, kw_only=True):
    """What is wrong with the line. `noise` is the share of bytes that arrive wrong."""

    silent: bool = False
    noise: float = 0.0
    cut_after: int | None = None  # bytes of each answer that still arrive
    delay_s: float = 0.0  # before each answer


class SerialLine:
    """A cable for the time of a `with` block; `hear` turns what the host wrote into the answer.

    `link` is a stable path (a symbolic link) to the slave; with `baud` the bytes take as long as
    they would on a real line, without they come at once.
    """

    def __init__(
        self,
        hear: Callable[[bytes], bytes],
        *,
        link: Path | None = None,
        baud: int | None = None,
        seed: int = 0,
    ) -> None:
        self._hear = hear
        self._link = link
        self._seconds_a_byte = _BITS_A_BYTE / baud if baud else 0.0
        self._random = random.Random(seed)  # noqa: S311 - noise, not a secret
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.trouble = Trouble()
        self.slave: Path | None = None

    @property
    def path(self) -> Path:
        """What the host opens; raises RuntimeError while the cable is pulled out."""
        if self.slave is None:
            raise RuntimeError("the cable is pulled out")
        return self._link or self.slave

    def __enter__(self) -> Self:
        self.plug_in()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.pull_out()

    def plug_in(self) -> None:
        """Put the cable in; does nothing when it is in."""
        if self._thread is not None:
            return
        master, slave = os.openpty()
        tty.setraw(slave)
        self.slave = Path(os.ttyname(slave))
        if self._link is not None:
            self._link.unlink(missing_ok=True)
            self._link.symlink_to(self.slave)
        self._ended.clear()
        self._thread = threading.Thread(
            target=self._serve, args=(master, slave), name=f"line {self.slave}", daemon=True
        )
        self._thread.start()

    def pull_out(self) -> None:
        """Pull the cable out: the host's port dies under it."""
        if self._thread is None:
            return
        self._ended.set()
        self._thread.join()
        self._thread = None
        self.slave = None
        if self._link is not None:
            self._link.unlink(missing_ok=True)

    def _serve(self, master: int, slave: int) -> None:
        # Holding the slave open too: the line stays up between two hosts.
        try:
            while not self._ended.is_set():
                ready, _, _ = select.select([master], [], [], 0.05)
                if ready:
                    self._answer(master, os.read(master, _PIECE))
        except OSError as error:
            _LOG.warning("line_failed", error=str(error))
        finally:
            os.close(slave)
            os.close(master)

    def _answer(self, master: int, asked: bytes) -> None:
        trouble = self.trouble
        answer = self._hear(asked)
        if not answer or trouble.silent:
            return
        if trouble.cut_after is not None:
            answer = answer[: trouble.cut_after]
        self._ended.wait(trouble.delay_s)
        for byte in answer:
            if self._random.random() < trouble.noise:
                byte ^= 1 << self._random.randrange(8)  # noqa: PLW2901 - the byte that arrives
            self._ended.wait(self._seconds_a_byte)
            os.write(master, bytes((byte,)))
