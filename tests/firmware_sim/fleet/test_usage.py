"""What is typed wrong is told in a sentence, before anything is sent."""

import subprocess
import sys
from pathlib import Path

import pytest

from firmware_sim.fleet.options import Account, write_accounts


def told(tmp_path: Path, *more: str) -> str:
    """The complaint; exit code 2."""
    accounts = tmp_path / "accounts.json"
    write_accounts(accounts, (Account(node="testnode1", password="x"),))
    command = [sys.executable, "-m", "firmware_sim.fleet", "--broker", "mqtt://127.0.0.1:1"]
    given = ("--accounts", str(accounts), "--ledger", str(tmp_path / "books"), *more)
    done = subprocess.run(
        [*command, *given], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2, done.stderr
    return done.stderr


@pytest.mark.parametrize("share", ["5", "-0.1", "nan"])
def test_a_share_lies_between_0_and_1(tmp_path: Path, share: str) -> None:
    """More than all of them is no share."""
    assert f"late={share} is no share: from 0 to 1" in told(tmp_path, "--mischief", f"late={share}")


def test_books_that_are_there_are_never_written_over(tmp_path: Path) -> None:
    """They are named, and what to do."""
    (tmp_path / "books").write_text("of another run")
    complaint = told(tmp_path)
    assert "never written over: name another" in complaint
    assert "Errno" not in complaint
    assert (tmp_path / "books").read_text() == "of another run"
