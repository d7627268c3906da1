"""Servers of others: wrong input is told before anything starts, an unreachable one at once."""

import time

import pytest
from typer.testing import CliRunner

from contract.acl import DOWNLINK_USER
from hub.main import app
from tests.fixtures.fix_place import short_lived_directory
from tests.fixtures.promised import promised

NOBODY = "postgresql://a:s3cr3t@127.0.0.1:1/x"


@pytest.fixture
def data():
    with short_lived_directory("reaching") as path:
        yield path / "data"


def up(data, *arguments):
    given = ("up", "--data", str(data), "--http-port", "0", *arguments)
    return CliRunner().invoke(app, given, env={"COLUMNS": "200", "NO_COLOR": "1"})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--broker-url", "127.0.0.1:1883"), "mqtt://user:password@host:1883"),
        (("--broker-url", "tcp://a:s3cr3t@h:1883"), "mqtt://user:password@host:1883"),
        (("--broker-url", "mqtt://a:s3cr3t/x@h:1883"), "%XX"),
        (("--broker-url", "mqtt://a:s3cr3t@h:99999"), "mqtt://user:password@host:1883"),
        (("--database-url", "127.0.0.1:5432"), "postgresql://user:password@host:5432/name"),
        (("--database-url", "s3cr3t"), "postgresql://user:password@host:5432/name"),
        (("--mqtt-port", "99999"), "--mqtt-port"),
        (("--http-port", "-1"), "--http-port"),
        (("--metrics-port", "65535"), "--metrics-port"),
    ],
)
def test_wrong_input_is_wrong_usage_and_nothing_starts(data, arguments, says):
    """Exit code 2, the right form, no password repeated, no traceback, no directory made."""
    done = up(data, *arguments)
    assert done.exit_code == 2, done.output
    assert says in done.output
    assert "s3cr3t" not in done.output
    assert "Traceback" not in done.output
    assert not data.exists()


def refused_soon(data, *arguments):
    begun = time.monotonic()
    done = up(data, *arguments)
    assert time.monotonic() - begun < promised(6.0)
    assert done.exit_code == 3, done.output
    assert "Traceback" not in done.output
    assert "s3cr3t" not in done.output
    return next(line for line in done.stderr.splitlines() if line.startswith("hearthbeat up: "))


def test_a_database_nobody_serves_is_told(data):
    """Exit code 3 and one line; no server was started for it."""
    assert "the database of --database-url cannot be used" in refused_soon(
        data, "--database-url", NOBODY
    )


def test_a_database_that_does_not_know_the_user_is_told(data, empty_database_url):
    """The refusal of a living server is the same exit code, with what the server says."""
    wrong = empty_database_url.rsplit("/", 1)[0] + "/not_there"
    assert "not_there" in refused_soon(data, "--database-url", wrong)


def test_a_broker_that_is_not_there_or_refuses_is_told(data, empty_database_url, broker):
    """Nothing listening and a wrong password: two different lines, within seconds."""
    nobody = refused_soon(data, "--broker-url", "mqtt://a:s3cr3t@127.0.0.1:1")
    assert "no broker answers at 127.0.0.1:1" in nobody
    wrong = f"mqtt://{DOWNLINK_USER}:s3cr3t@{broker.host}:{broker.hub_port}"
    refused = refused_soon(data, "--database-url", empty_database_url, "--broker-url", wrong)
    assert "does not let the hub in" in refused
    assert "user and password of --broker-url" in refused
