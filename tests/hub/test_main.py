"""The command line: every command explains itself, and a mistake is named."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.main import app

OWN = ("up", "ingest", "downlink", "alerts", "care", "migrate")


def hearthbeat(*arguments, **environment):
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "100", **environment})


@pytest.mark.parametrize("command", OWN)
def test_help_says_what_it_does_with_an_example(command):
    """`--help` of each command of ours has a sentence and a line that can be typed."""
    done = hearthbeat(command, "--help")
    assert done.exit_code == 0, done.output
    assert f"hearthbeat {command} [OPTIONS]" in done.output
    assert f"hearthbeat {command} --d" in done.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("downlink",), "HEARTHBEAT_DATABASE_URL or --database-url"),
        (("migrate", "--data", "/nowhere"), "--database-url"),
        (("up", "--without", "kitchen"), "--without takes ingest, downlink, alerts, care"),
        (("up", "--technical-webhook-url", "http://x"), "HEARTHBEAT_TECHNICAL_WEBHOOK_SECRET"),
        (("fly",), "No such command"),
    ],
)
def test_a_mistake_is_named_and_ends_with_two(arguments, says, tmp_path):
    """Exit code 2 and a sentence that says what to give."""
    done = hearthbeat(*arguments, HEARTHBEAT_DATA=str(tmp_path / "data"))
    assert done.exit_code == 2, done.output
    assert says in " ".join(done.output.split())


def test_migrate_brings_a_database_up_to_date(empty_database_url):
    """The first run names what it applied, the second finds nothing to do."""
    first = hearthbeat("migrate", "--database-url", empty_database_url)
    assert first.output.splitlines()[0] == "0001_loop.sql"
    second = hearthbeat("migrate", HEARTHBEAT_DATABASE_URL=empty_database_url)
    assert second.output == "nothing to do\n"


def test_the_front_door_imports_no_room():
    """`hearthbeat --help` works in a home's installation: nothing of the server is imported."""
    code = (
        "import sys, hub.main; "
        "rooms = {'care', 'ingest', 'alerts', 'downlink', 'gateway', 'firmware_sim', 'store'}; "
        "print(sorted((rooms | {'psycopg', 'nicegui', 'fastapi'}) & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=root, check=True)
    assert done.stdout == b"[]\n"
