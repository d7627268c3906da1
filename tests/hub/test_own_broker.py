"""A broker of one's own, configured by the lines of docs/administration.md and nothing else."""

import getpass
import re
import subprocess
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from hub.composition import Hub
from hub.settings import ROOMS, UpSettings
from hub.up import show
from runtime import mqtt_probe
from runtime.free_port import free_port
from runtime.mosquitto_password import hash_password
from runtime.mosquitto_server import program
from runtime.running import wait_until
from tests.fixtures.fix_place import short_lived_directory

pytestmark = pytest.mark.loop

PAGE = (Path(__file__).parents[2] / "docs" / "administration.md").read_text(encoding="utf-8")


def block(name):
    return re.search(rf"^```{name}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1]


@pytest.fixture
def place():
    with short_lived_directory("own-broker") as path:
        yield path


@pytest.fixture
def own_broker(place):
    """Mosquitto with the page's files, on free ports; gives the hub's URL."""
    port, devices = free_port(), free_port()
    text = block("mosquitto.conf").replace("/etc/mosquitto", str(place))
    text = text.replace("/var/lib/mosquitto/", f"{place}/").replace("1884 ", f"{port} ")
    text = text.replace("listener 1883 ", f"listener {devices} ")
    (place / "mosquitto.conf").write_text(f"{text}user {getpass.getuser()}\n")
    (place / "hearthbeat.acl").write_text(block("hearthbeat.acl"))
    (place / "hearthbeat.passwords").write_text(f"hearthbeat:{hash_password('own')}\n")
    command = [program(), "-c", str(place / "mosquitto.conf")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        assert wait_until(
            lambda: mqtt_probe.connect_code("127.0.0.1", port, "hearthbeat", "own") == 0, 10.0
        )
        yield f"mqtt://hearthbeat:own@127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


async def test_the_hub_gets_ready_with_the_pages_broker(place, own_broker, empty_database_url):
    """Ingest says ready on hub/status, as the hub's one user may and others may read."""
    settings = UpSettings(
        data=place / "data",
        http_port=0,
        database_url=empty_database_url,
        broker_url=own_broker,
        without=frozenset(ROOMS) - {"ingest", "downlink"},
    )
    async with Hub(settings) as hub:
        assert hub.not_ready == []
        assert set(hub.keeper.parts) == {"ingest", "downlink"}
        told = Console(file=StringIO(), width=200)
        show(hub, told)
        assert "claims and certificates are not followed" in told.file.getvalue()
