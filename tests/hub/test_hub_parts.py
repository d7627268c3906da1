"""The hub as its rooms and the demo know it: children, servers of others, stopping on purpose."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time

import psycopg
import pytest
from prometheus_client import REGISTRY

from contract.acl import DOWNLINK_USER
from hub.composition import Hub
from hub.home import Home, HomeError
from hub.keeper import Keeper
from hub.parts import RoomPart
from hub.settings import ROOMS, UpSettings
from runtime import mqtt_probe
from runtime.account import CannotRunServerError
from runtime.running import command_line, is_alive, wait_until
from tests.fixtures.fix_place import short_lived_directory

pytestmark = pytest.mark.loop
# Any ports: the usual ones may be another hub's.
FREE = {"http_port": 0, "mqtt_tls_port": 0, "mqtts_port": 0}


@pytest.fixture
def place():
    with short_lived_directory("parts") as path:
        yield path


def servers_only(place, **more):
    return UpSettings(data=place / "data", without=frozenset(ROOMS), **FREE | more)


def test_a_room_is_started_again_and_nothing_outlives_the_hub(start_hub):
    """Kill -9 of a room: a new one within seconds. Kill -9 of the hub: all its parts end."""
    hub = start_hub("data", rooms=("downlink",)).wait_up()
    old = hub.pid("downlink")
    os.kill(old, signal.SIGKILL)
    assert wait_until(lambda: hub.pid("downlink") not in (0, old), 15.0), hub.said()
    pids = [hub.pid(part) for part in ("downlink", "postgres", "mosquitto")]
    assert all(map(is_alive, pids))
    hub.kill()
    assert wait_until(lambda: not any(map(is_alive, pids)), 15.0)


def test_a_room_left_over_from_an_earlier_hub_is_ended(place):
    """By its id and its command line: another room's id, or no process at all, is left alone."""
    command = [sys.executable, "-m", "hub.main", "downlink"]
    nowhere = {
        "HEARTHBEAT_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing",
        "HEARTHBEAT_BROKER_URL": "mqtt://nobody:x@127.0.0.1:9",
    }
    left = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=nowhere)
    assert wait_until(lambda: "hub.main" in command_line(left.pid), 15.0)
    for pid in (left.pid, None, 2**22):
        RoomPart("ingest", {}, place / "log").end_leftover(pid)
    assert left.poll() is None
    RoomPart("downlink", {}, place / "log").end_leftover(left.pid)
    assert left.wait(2.0) == -signal.SIGKILL


class Broken:
    """A part that ends as soon as it has started: a real process, of no use."""

    name = "broken"

    def __init__(self):
        self.process = None
        self.starts = 0

    @property
    def pid(self):
        return self.process.pid if self.process and self.process.poll() is None else None

    @property
    def ended_with(self):
        return self.process.poll() if self.process else None

    async def start(self):
        self.starts += 1
        self.process = await asyncio.to_thread(subprocess.Popen, ["false"])

    async def stop(self):
        self.process.wait()


async def test_one_that_keeps_dying_is_reported(place):
    """Five deaths within a minute: told once that it begins, and the tries go on, slower."""
    told, loud, part = [], asyncio.Event(), Broken()

    async def keeps_dying(name, begins):
        told.append((name, begins))
        loud.set()

    home = Home(place / "data")
    home.prepare()
    keeper = Keeper(home, keeps_dying)
    await keeper.start(part)
    keeping = asyncio.create_task(keeper.keep("broken"))
    await asyncio.wait_for(loud.wait(), 10.0)
    starts = part.starts
    await asyncio.sleep(3.5)
    keeping.cancel()
    assert told == [("broken", True)]
    assert starts == 5
    assert part.starts == 6
    assert figure("hub_part_deaths_total", "broken") >= 5
    assert figure("hub_part_up", "broken") == 0


def figure(name, part):
    """What an operator reads of a part."""
    return REGISTRY.get_sample_value(f"hearthbeat_{name}", {"part": part})


async def test_servers_of_others_are_used_and_left_alone(place, empty_database_url, broker):
    """With both URLs no server is started, the database is migrated, and both go on afterwards."""
    given = {"database_url": empty_database_url, "broker_url": broker.url(DOWNLINK_USER)}
    async with Hub(servers_only(place, **given)) as hub:
        said = hub.addresses()
        assert (said["database_url"], said["mqtt_port"]) == (empty_database_url, broker.hub_port)
        assert said["own_broker"] is False
        assert hub.keeper.parts == {}
        assert hub.administrator is not None
    assert not (place / "data" / "postgres").exists()
    with psycopg.connect(empty_database_url) as conn:
        assert conn.execute("SELECT count(*) FROM staff").fetchone() == (1,)
    assert mqtt_probe.connect_code(broker.host, broker.port, "x", "y") == 5


async def test_a_part_can_be_stopped_on_purpose_and_resumed(place):
    """Suspended it stays down, unlike killed; resumed it has its old port."""
    async with Hub(servers_only(place, mqtt_port=0)) as hub:
        await hub.keeper.suspend("mosquitto")
        await asyncio.sleep(1.0)
        assert mqtt_probe.connect_code("127.0.0.1", hub.mqtt_port, "x", "y") == -1
        await hub.keeper.resume("mosquitto")
        assert mqtt_probe.connect_code("127.0.0.1", hub.mqtt_port, "x", "y") == 5
        os.kill(hub.keeper.parts["mosquitto"].pid, signal.SIGKILL)
        await asyncio.sleep(1.5)
        assert mqtt_probe.connect_code("127.0.0.1", hub.mqtt_port, "x", "y") == 5


async def test_a_start_that_fails_leaves_nothing_running(place):
    """The device port is taken: said so, PostgreSQL stopped again, the directory free."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        hub = Hub(servers_only(place, mqtt_port=taken.getsockname()[1]))
        with pytest.raises(CannotRunServerError, match="is taken"):
            await hub.start()
    assert all(part.pid is None for part in hub.keeper.parts.values())
    with Home(place / "data").locked():
        assert not hub.home.address_file.exists()


def test_a_stop_in_the_middle_of_a_start_is_a_stop(start_hub):
    """SIGTERM while it still starts: exit code 0 within 10 s, nothing left."""
    hub = start_hub("data")
    assert wait_until((hub.data / "run" / "lock").exists, 30.0)
    time.sleep(0.3)
    assert hub.stop(10.0) == 0
    assert list((hub.data / "run").glob("*.pid")) == []


def test_a_directory_is_held_by_one(place):
    """The lock is the directory's: a second holder is told the first one's process id."""
    home = Home(place / "data")
    home.prepare()
    with home.locked(), pytest.raises(HomeError, match=str(os.getpid())), home.locked():
        raise AssertionError("held twice")
    with home.locked():
        assert (home.run / "lock").read_text() == f"{os.getpid()}\n"
