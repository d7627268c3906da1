"""`hearthbeat up --standby-ingest`: one acts, the other is there, and the hub keeps both."""

import json
import os
import signal
import urllib.error
import urllib.request

import pytest

from runtime.free_port import free_port
from runtime.running import wait_until

pytestmark = pytest.mark.loop


def role(port):
    """What a process says it is, once it is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2) as answer:
            return json.loads(answer.read())["role"]
    except (urllib.error.URLError, OSError):
        return None


def test_the_standby_acts_when_ingest_is_killed_and_ingest_is_the_standby_then(start_hub):
    """kill -9: roles change, and two are there again; a stop ends both."""
    metrics = free_port(row=6)
    first, second = metrics, metrics + 5
    hub = start_hub("two", f"--metrics-port={metrics}", "--standby-ingest", rooms=("ingest",))
    hub.wait_up()
    assert "did not get ready" not in hub.said()
    assert wait_until(lambda: {role(first), role(second)} == {"active", "standby"}, 45.0)
    part, port = ("ingest", first) if role(first) == "active" else ("ingest-standby", second)
    other = first + second - port
    os.kill(hub.pid(part), signal.SIGKILL)
    assert wait_until(lambda: role(other) == "active", 45.0), hub.said()
    assert wait_until(lambda: role(port) == "standby", 45.0), hub.said()
    assert role(other) == "active"
    assert hub.stop(15.0) == 0
