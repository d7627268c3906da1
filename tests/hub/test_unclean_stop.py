"""A hub that was killed: nothing is lost, nothing is left behind, everything is found again."""

import os
import signal
import time

import psycopg
import pytest

from runtime import mqtt_probe
from runtime.running import is_alive, wait_until
from tests.fixtures.promised import promised

pytestmark = pytest.mark.loop
SERVERS = ("postgres", "mosquitto")


def areas(hub):
    with psycopg.connect(hub.addresses()["database_url"]) as conn:
        return [name for (name,) in conn.execute("SELECT name FROM area ORDER BY id")]


def add_area(hub, name):
    with psycopg.connect(hub.addresses()["database_url"]) as conn:
        conn.execute("INSERT INTO area (level, name) VALUES ('county', %s)", (name,))


def test_data_and_addresses_survive_a_killed_hub(start_hub):
    """Kill -9 the hub and start it in the same moment: same rows, same ports, no orphans."""
    first = start_hub("data").wait_up()
    add_area(first, "before")
    before, pids = first.addresses(), [first.pid(server) for server in SERVERS]
    first.kill()
    again = start_hub("data").wait_up()
    assert not any(map(is_alive, pids)), "orphaned servers"
    assert areas(again) == ["before"]
    for kept in ("database_url", "mqtt_port", "http_url"):
        assert again.addresses()[kept] == before[kept]


def test_a_killed_machine_leaves_pid_files_that_fool_nobody(start_hub):
    """Everything killed at once, and the pids in the files taken by others: it starts."""
    first = start_hub("data").wait_up()
    pids = [first.process.pid, *(first.pid(server) for server in SERVERS)]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    first.process.wait()
    pid_file = first.data / "postgres" / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    # This very process lives, is not PostgreSQL, and must not be harmed.
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    (first.data / "mosquitto" / "pid").write_text(f"{os.getpid()}\n")
    assert start_hub("data").wait_up().addresses()


@pytest.mark.parametrize("server", SERVERS)
def test_a_killed_server_is_back_within_seconds_on_its_port(shared_hub, server):
    """Kill -9 of PostgreSQL or Mosquitto under a running hub heals by itself, same addresses."""
    hub = shared_hub
    add_area(hub, f"before {server}")
    old, addresses = hub.pid(server), hub.addresses()
    os.kill(old, signal.SIGKILL)
    killed = time.monotonic()
    assert wait_until(lambda: hub.pid(server) not in (0, old), promised(20.0)), hub.said()
    assert time.monotonic() - killed < promised(20.0)
    assert hub.addresses() == addresses
    assert wait_until(
        lambda: hub.pid("postgres") and f"before {server}" in areas(hub), promised(15.0)
    )
    refused = mqtt_probe.connect_code("127.0.0.1", addresses["mqtt_port"], "nobody", "x")
    assert refused in (4, 5)
