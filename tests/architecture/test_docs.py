"""Docs that nobody checks go stale: links resolve, and every command is explained."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = (
    *("up", "demo", "ingest", "downlink", "alerts", "care", "gateway", "sim", "soak"),
    *("migrate", "area", "team", "staff", "patient", "node"),
)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page points to a file that exists."""
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text)
    assert [t for t in targets if not (page.parent / t).exists()] == []


def test_every_command_helps_itself() -> None:
    """Each command of the front door has a help text; the README or docs name it."""
    help_text = subprocess.run(
        [sys.executable, "-m", "hub.main", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "200", "PATH": "/usr/bin:/bin", "TERM": "dumb", "NO_COLOR": "1"},
    ).stdout
    for command in COMMANDS:
        assert re.search(rf"^\W*{command}\s+\S", help_text, re.MULTILINE), command
