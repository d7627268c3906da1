"""Makers' pages tried as a maker would: a hub in one terminal, one lasting shell in the other."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "makers"
BLOCK = re.compile(r"```([^\n]+)\n(.*?)```", re.DOTALL)
DONE = "--- done ---"


def blocks(page: str, kind: str) -> list[str]:
    """The fenced blocks of one kind on a page, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [block for fence, block in BLOCK.findall(text) if fence == kind]


def until(ready: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true answer within the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = ready()
        if found:
            return found
        time.sleep(0.1)
    pytest.fail(f"not within {seconds} s: {what}")


class Desk:
    """Two terminals in one directory: the hub in the first, one lasting shell in the second."""

    def __init__(self, where: Path) -> None:
        self.where = where
        self.path = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DOCS": str(DOCS),
        }
        up = blocks("quickstart.md", "sh hub")[0]
        self.hub = self._bash(up, (where / "hub.log").open("wb"))
        self.shell = self._bash("", subprocess.PIPE, stdin=subprocess.PIPE)

    def _bash(self, command: str, out: Any, **more: Any) -> "subprocess.Popen[bytes]":
        arguments = ["bash", "-c", f"exec {command}"] if command else ["bash", "-e"]
        return subprocess.Popen(
            arguments,
            cwd=self.where,
            env=self.path,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **more,
        )

    def wait_up(self) -> "Desk":
        """Until the hub says where it is."""
        until((self.where / "try-hub/run/hub.json").exists, 60, "the hub is up")
        return self

    def run(self, block: str) -> str:
        """One block in the second terminal, which keeps its variables; what it printed."""
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        self.shell.stdin.write(f"{block}\necho {DONE}\n".encode())
        self.shell.stdin.flush()
        printed = []
        for line in self.shell.stdout:
            if line.decode().rstrip() == DONE:
                return "".join(printed)
            printed.append(line.decode())
        pytest.fail(f"the shell ended in: {block}{''.join(printed)}")

    def leave(self) -> None:
        """Close both; the hub is given time to stop."""
        self.shell.communicate(timeout=30)
        os.killpg(self.hub.pid, signal.SIGINT)
        self.hub.wait(30)
