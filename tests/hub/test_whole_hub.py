"""`hearthbeat up` with everything: all parts run, each heals alone, all stop together."""

import os
import signal

import httpx
import pytest

from runtime.free_port import free_port
from runtime.running import is_alive, wait_until
from tests.fixtures.fix_hub import ROOMS

pytestmark = pytest.mark.loop
PARTS = (*ROOMS, "postgres", "mosquitto")


def answers(url):
    try:
        return httpx.get(url, timeout=2.0, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_every_part_runs_heals_and_stops(start_hub):
    """Four rooms and two servers: pids kept, health served, kill -9 of each heals, all stop."""
    metrics = free_port(row=len(ROOMS))
    hub = start_hub("data", f"--metrics-port={metrics}", rooms=ROOMS).wait_up()
    assert "did not get ready" not in hub.said()
    console = hub.addresses()["http_url"]
    before = {part: hub.pid(part) for part in PARTS}
    assert all(map(is_alive, before.values()))
    for offset, _ in enumerate(ROOMS):
        url = f"http://127.0.0.1:{metrics + offset}/ready"
        assert wait_until(lambda url=url: answers(url), 45.0), url
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    assert wait_until(
        lambda: all(is_alive(hub.pid(part)) and hub.pid(part) != before[part] for part in PARTS),
        45.0,
    ), hub.said()
    assert wait_until(lambda: answers(f"{console}/ready"), 60.0), hub.said()
    assert wait_until(lambda: answers(f"http://127.0.0.1:{metrics}/ready"), 45.0), hub.said()
    after = [hub.pid(part) for part in PARTS]
    assert hub.stop(60.0) == 0
    assert not any(map(is_alive, after))
    assert hub.addresses() == {}
    assert "shutdown request" in (hub.data / "log" / "postgres.log").read_text()
