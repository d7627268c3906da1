"""The quickstart for makers, done exactly as the page says, against a hub of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "makers" / "quickstart.md"
BLOCK = re.compile(r"```(sh|sh hub|json fb|json rcpt)\n(.*?)```", re.DOTALL)
DONE = "--- done ---"
BLOCKS = BLOCK.findall(PAGE.read_text(encoding="utf-8"))


def blocks(kind: str) -> list[str]:
    """The fenced blocks of one kind, in order."""
    return [text for fence, text in BLOCKS if fence == kind]


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
        self.path = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        self.hub = self._bash(blocks("sh hub")[0], (where / "hub.log").open("wb"))
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
        self.shell.communicate(timeout=10)
        os.killpg(self.hub.pid, signal.SIGINT)
        self.hub.wait(30)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk with a running hub."""
    sitting = Desk(tmp_path)
    try:
        until((tmp_path / "try-hub/run/hub.json").exists, 60, "the hub is up")
        yield sitting
    finally:
        sitting.leave()


@pytest.mark.loop
def test_the_page_does_what_it_says(desk: Desk) -> None:
    """Every block in its order: the reading is readable within 2 s of being published, and the
    three mistakes are answered with the codes, places and values the page shows."""
    people, variables, say, birth, reading, back, *mistakes, rejects = blocks("sh")
    for block in (people, variables, say, birth):
        desk.run(block)
    published = time.monotonic()
    receipt = json.loads(desk.run(reading))["rcpt"]
    assert receipt["upto"] == json.loads(blocks("json rcpt")[0])["rcpt"]["upto"]
    (stored,) = json.loads(desk.run(back))["readings"]
    assert time.monotonic() - published < 2
    assert stored["values"] == {"sys": 128, "dia": 79, "pr": 66}
    assert (stored["kind"], stored["device"], stored["clock"]) == ("bp", "cuff1", "ntp")
    for block, shown in zip(mistakes, blocks("json fb"), strict=True):
        wanted, feedback = json.loads(shown), json.loads(desk.run(block))
        for key in ("ok", "code", "name", "path", "got", "msg", "doc", "kept", "dropped", "retry"):
            assert feedback.get(key) == wanted.get(key), (key, feedback)
        assert feedback["ref"].get("seq") == wanted["ref"].get("seq")
        assert feedback["hint"]
    refused = json.loads(desk.run(rejects))["rejects"]
    assert {r["code"] for r in refused} == {json.loads(s)["code"] for s in blocks("json fb")}
    assert len(json.loads(desk.run(back))["readings"]) == 1
