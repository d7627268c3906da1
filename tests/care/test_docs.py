"""docs/api.md and docs/administration.md: complete, and their commands run as they stand."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from care.api.app import ROUTERS
from hub import admin

DOCS = Path(__file__).parents[2] / "docs"
API = (DOCS / "api.md").read_text(encoding="utf-8")
ADMINISTRATION = (DOCS / "administration.md").read_text(encoding="utf-8")

_UP = (sys.executable, "-m", "hub.main", "up")


def blocks(page: str) -> list[str]:
    """The shell blocks a page says can be run."""
    return re.findall(r"^```sh run\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def test_the_api_page_names_every_address() -> None:
    """No address is missing, and none is named that does not exist."""
    there = {route.path for router in ROUTERS for route in router.routes}
    table = API.partition("## All addresses")[2]
    named = set(re.findall(r"`(/[^`]+)`", table))
    assert named == there


def test_the_administration_page_names_every_command_and_option() -> None:
    """Each verb has its row, and the row each of its options."""
    shared = {"--data", "--database-url", "--json", "--help"}
    for noun in admin.__all__:
        group = typer.main.get_command(getattr(admin, noun))
        for verb, command in group.commands.items():
            row = re.search(rf"^\| `{noun} {verb}\b.*$", ADMINISTRATION, re.MULTILINE)
            assert row, f"{noun} {verb}"
            options = {name for p in command.params for name in p.opts if name.startswith("--")}
            missing = {name for name in options - shared if name not in row[0]}
            assert missing == set(), f"{noun} {verb}"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Path]:
    """A directory in which a whole hub runs, as the page tells to start it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HEARTHBEAT_")}
    with (tmp_path / "hub.log").open("w") as log:
        process = subprocess.Popen(
            [*_UP, "--data", "./hearthbeat-data", "--mqtt-port", "0", "--http-port", "0"],
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": str(DOCS.parent)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        ends = time.monotonic() + 180
        while "Ctrl-C stops the hub" not in (tmp_path / "hub.log").read_text():
            assert process.poll() is None, (tmp_path / "hub.log").read_text()
            assert time.monotonic() < ends, "the hub did not start"
            time.sleep(0.1)
        yield tmp_path
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.mark.loop
@pytest.mark.skipif(shutil.which("mosquitto_pub") is None, reason="needs mosquitto-clients")
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_pages_commands_run_as_they_stand(hub: Path) -> None:
    """From the empty hub to the first reading over REST, then the tour of the API."""
    script = "\n".join(["set -euo pipefail", *blocks(ADMINISTRATION), "echo ==API==", *blocks(API)])
    beside = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-c", script],
        cwd=hub,
        env={"PATH": beside, "HOME": str(hub), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    first, _, tour = ran.stdout.partition("==API==")
    assert '"values":{"sys":148,"dia":91,"pr":72}' in first
    assert '"user":"li"' in tour
    assert '"on_device":false' in tour
    assert '"taking":null' in tour
    assert '"episodes":[' in tour
    assert "urn:hearthbeat:problem" not in ran.stdout
