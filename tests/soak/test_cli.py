"""`hearthbeat soak` as people run it: its plan, its verdict, its exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.fix_place import short_lived_directory
from tests.fixtures.fix_trial import FULL

SOURCE = Path(__file__).parents[2]


def soak(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run it to its end, from a directory that is not the checkout."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "hub.main", "soak", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        cwd="/",
        env=os.environ | {"PYTHONPATH": str(SOURCE), "COLUMNS": "100"},
    )


def test_the_plan_is_printed_and_nothing_is_run(tmp_path: Path) -> None:
    """--plan: one line a fault, in the order of time; no directory is made."""
    out = tmp_path / "out"
    done = soak("--plan", "--minutes", "3", "--faults", "cut,kill-ingest", "--out", str(out))
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) > 5
    assert all(" cut" in line or " kill-ingest" in line for line in lines)
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--faults", "meteor"), "no such fault: meteor"),
        (("--spoil", "everything"), "lose"),
        (("--minutes", "0"), "--minutes"),
        (("--out", str(SOURCE)), "is not empty"),
    ],
)
def test_wrong_usage_is_told_and_exits_2(arguments: tuple[str, ...], says: str) -> None:
    """What was wrong, and what would be right."""
    done = soak(*arguments)
    assert done.returncode == 2
    assert says in done.stderr


def test_where_nothing_can_be_written_it_cannot_run(tmp_path: Path) -> None:
    """Exit code 3: there is no verdict."""
    (tmp_path / "file").write_text("no directory")
    done = soak("--out", str(tmp_path / "file" / "out"), "--faults", "none", "--minutes", "0.1")
    assert done.returncode == 3
    assert "could not run" in done.stderr


@pytest.mark.loop
@pytest.mark.timeout(300)
@pytest.mark.parametrize("spoil", ["lose", None] if FULL else ["lose"])
def test_the_verdict_names_one_lost_reading_among_all(spoil: str | None) -> None:
    """A hub under load with faults, and one row taken away behind its back: exit code 1, and that
    row is all that is wrong. Without that, exit code 0."""
    spoiled = ("--spoil", spoil) if spoil else ()
    with short_lived_directory("soak") as place:
        place.chmod(0o755)
        out = place / "out"
        run = ("--minutes", "0.1", "--nodes", "5", "--rate", "60", "--faults", "cut,kill-broker")
        done = soak("--json", "--out", str(out), *run, *spoiled)
        report = json.loads((out / "report.json").read_text())
        assert json.loads(done.stdout.splitlines()[-1]) == report
    assert done.returncode == (1 if spoil else 0), done.stderr
    told = [line for line in done.stderr.splitlines() if "sent " in line]
    assert len(told) >= 2, done.stderr
    verdict = report["verdict"]
    assert verdict["faults"] == ({"missing": 1, "feed_extra": 1} if spoil else {})
    assert verdict["receipted"] > 100
    assert verdict["unreceipted"] == 0
    assert report["seed"] == 1
    assert report["host"]["cpus"] == os.cpu_count()
    assert set(report["costs"]) >= {"ingest", "postgres", "mosquitto"}
