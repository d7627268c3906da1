"""The walks of the demo wait for minutes of the clock, so they run beside each other."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import pytest

from hub.settings import ROOMS

_PATIENCE_S: Final = 500.0


class Walks:
    """`hearthbeat demo --check`, whole and with each room left out, as processes."""

    def __init__(self) -> None:
        self._running = {None: _start(None)}

    def result(self, without: str | None) -> tuple[int, str]:
        """Exit code and output of one walk; starts it when nobody has."""
        if without not in self._running:
            self.start_without()
        process = self._running[without]
        output, _ = process.communicate(timeout=_PATIENCE_S)
        return process.returncode, output

    def start_without(self) -> None:
        """Start the walks that must fail; they end soon."""
        for room in ROOMS:
            self._running.setdefault(room, _start(room))

    def close(self) -> None:
        """Leave nothing running."""
        for process in self._running.values():
            if process.poll() is None:
                process.terminate()
                process.wait(20)


def _start(without: str | None) -> "subprocess.Popen[str]":
    left_out = [] if without is None else [f"--without={without}"]
    return subprocess.Popen(
        [sys.executable, "-m", "hub.main", "demo", "--check", *left_out],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="session")
def walks() -> Iterator[Walks]:
    """Started where they are looked at: each process of a run that starts them starts all."""
    running = Walks()
    yield running
    running.close()
