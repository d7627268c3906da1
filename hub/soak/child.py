"""A hub as a process of its own: started, looked at, killed and stopped from outside."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runtime.running import is_alive, read_pid, wait_until

_PROGRAM = (sys.executable, "-P", "-m", "hub.main", "up")


class HubDidNotStartError(RuntimeError):
    """It ended, or said nothing in time; the message is the end of what it wrote."""


class HubChild:
    """`hearthbeat up` on one directory; what it says goes to a file beside that.

    The same directory may be used again: ports, passwords and data are kept in it.
    """

    def __init__(
        self,
        data: Path,
        arguments: Sequence[str] = (),
        *,
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = _PROGRAM,
        working_directory: Path | None = None,
    ) -> None:
        """Start it; `environment` is added to ours, and rooms inherit it."""
        self.data = data
        self.output = data.parent / f"{data.name}.out"
        self._command = [*program, "--data", str(data), *arguments]
        self._environment = {**os.environ, **(environment or {})}
        self._working_directory = working_directory
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        with self.output.open("ab") as output:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._working_directory,
                env=self._environment,
                # Ctrl-C in a terminal is for whoever runs the hub, and that stops it in order.
                process_group=0,
            )

    def start_again(self) -> None:
        """Start it anew after it ended."""
        self.process = self._start()

    def is_up(self) -> bool:
        """Whether this very process has said where it is."""
        return self.addresses().get("pid") == self.process.pid

    def until_up(self, timeout_s: float = 90.0) -> None:
        """Wait until it says where it is. Raises HubDidNotStartError."""
        wait_until(lambda: self.process.poll() is not None or self.is_up(), timeout_s)
        if not self.is_up():
            raise HubDidNotStartError(self.said()[-2000:] or "it wrote nothing")

    def addresses(self) -> dict[str, Any]:
        """What run/hub.json says; empty before."""
        try:
            found: dict[str, Any] = json.loads((self.data / "run" / "hub.json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def pid(self, part: str) -> int:
        """The process id of a server or a room, 0 for none."""
        return read_pid(self.data / "run" / f"{part}.pid") or 0

    def pids(self) -> list[int]:
        """Every part that lives."""
        noted = (read_pid(path) or 0 for path in (self.data / "run").glob("*.pid"))
        return [pid for pid in noted if pid and is_alive(pid)]

    def said(self) -> str:
        """Everything it wrote so far."""
        return self.output.read_text("utf-8", errors="replace")

    def kill(self) -> None:
        """Kill -9 the hub itself."""
        self.process.kill()
        self.process.wait()

    def kill_everything(self) -> None:
        """Kill -9 the hub and all its parts at once, as a power cut does."""
        pids = self.pids()
        self.process.kill()
        for pid in pids:
            kill_one(pid, signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not any(map(is_alive, pids)), 10.0)

    def stop(self, timeout_s: float = 30.0) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def close(self) -> None:
        """Leave nothing behind, whatever happened before."""
        pids = self.pids()
        if self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        for pid in filter(is_alive, pids):
            kill_one(pid, signal.SIGKILL)


def kill_one(pid: int, number: signal.Signals) -> bool:
    """Send a signal to one process; False when there is none of this id."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
