"""Processes that were started by somebody who is gone: are they still there, and still ours?"""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether a process has this id now; one that ended and waits for its parent has not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")


def working_directory(pid: int) -> Path | None:
    """Where the process works; None when there is none or it is not ours to ask."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return None


def command_line(pid: int) -> list[str]:
    """The command line of a process; empty when there is none or it is not ours to ask."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [part.decode(errors="replace") for part in raw.split(b"\0") if part]


def read_pid(path: Path) -> int | None:
    """The process id on the first line of a file; None when there is no such file or number."""
    try:
        return int(path.read_text(encoding="utf-8").splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


def end_process(pid: int, *signals: tuple[signal.Signals, float]) -> bool:
    """Send the signals one after another, waiting so many seconds after each; True once gone."""
    for number, patience in signals:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if wait_until(lambda: not is_alive(pid), patience):
            return True
    return not is_alive(pid)


def wait_until(happened: Callable[[], bool], timeout_s: float, every_s: float = 0.02) -> bool:
    """Ask until it happened or the time is up; says which."""
    until = time.monotonic() + timeout_s
    while not happened():
        if time.monotonic() > until:
            return False
        time.sleep(every_s)
    return True
