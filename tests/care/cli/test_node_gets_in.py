"""`node add` returns when the broker lets the node in, and `node revoke` when it does not."""

import asyncio
import json
import shlex
from itertools import pairwise
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from hub.credentials import Credentials
from hub.home import Home
from runtime.clock import SystemClock
from runtime.sealing import prepare_key
from store import credential
from store.pool import Connection
from tests.care.cli.test_administration import Hearthbeat
from tests.fixtures.fix_broker import LiveBroker


@pytest.fixture
async def data(database_url: str, broker: LiveBroker, tmp_path: Path) -> Path:
    """The directory of a hub whose broker follows this database."""
    home = Home(tmp_path / "hub")
    home.prepare()
    noted = {
        "database_url": database_url,
        "mqtt_host": broker.host,
        "mqtt_port": broker.port,
        "mqtt_tls": False,
        "own_broker": True,
    }
    home.note_addresses(noted)
    return home.root


def connects(host: str, port: int, user: str, password: str) -> bool:
    """Whether the broker lets this node in, right now."""
    answer: list[bool] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=user, protocol=mqtt.MQTTv311)
    client.username_pw_set(user, password)
    client.on_connect = lambda _c, _u, _f, reason, _p: answer.append(not reason.is_failure)
    client.connect(host, port)
    while not answer:
        client.loop(0.1)
    client.disconnect()
    return answer[0]


async def test_added_then_revoked(data: Path, database_url: str, broker: LiveBroker) -> None:
    """The first connect after `node add` succeeds; the first one after `node revoke` fails."""
    follower = asyncio.create_task(
        Credentials(broker.server, SystemClock()).follow(database_url), name="credentials"
    )
    try:
        hub = Hearthbeat(None, process=True)
        node = (await hub("node", "add", "--data", str(data), "--json")).json
        who = (node["host"], node["port"], node["user"], node["password"])
        assert await asyncio.to_thread(connects, *who)
        revoked = await hub("node", "revoke", "--data", str(data), "--node", node["node"])
        assert revoked.code == 0
        assert not await asyncio.to_thread(connects, *who)
    finally:
        follower.cancel()


async def test_units_known_at_the_broker(
    data: Path, database_url: str, broker: LiveBroker, conn: Connection, tmp_path: Path
) -> None:
    """`unit add`, `unit import` and `node claim` too return when the broker has taken it over."""
    prepare_key(Home(data).unit_key)
    batch = tmp_path / "batch.csv"
    code = "T60134E6N9"
    batch.write_text(f"serial,maker,model,code,secret\nHB24-0002,m,x,{code},{'ab' * 16}\n")
    hub, where = Hearthbeat(None, process=True), ("--data", str(data))
    await Hearthbeat(database_url)("area", "add", "--name", "Home village")
    follower = asyncio.create_task(
        Credentials(broker.server, SystemClock()).follow(database_url), name="credentials"
    )
    try:
        made = (await hub("unit", "add", "--serial", "HB24-0001", *where, "--json")).json
        await demand_in(broker, "claim-HB24-0001", made["code"])
        assert (await hub("unit", "import", str(batch), *where)).code == 0
        await demand_in(broker, "claim-HB24-0002", code)
        bound = await hub("node", "claim", "--qr", made["qr"], *where)
        now = await credential.revision(conn)
        assert (bound.err, now.applied) == ("", now.wanted)
    finally:
        follower.cancel()


async def demand_in(broker: LiveBroker, user: str, password: str) -> None:
    """The broker lets this user in, at the first try."""
    assert await asyncio.to_thread(connects, broker.host, broker.port, user, password)


async def test_without_a_hub_it_says_so_and_goes_on(data: Path) -> None:
    """Nobody follows the credentials: the node is made, and the remark is on standard error."""
    noted = json.loads((Home(data).address_file).read_text())
    Home(data).note_addresses({**noted, "own_broker": False})
    added = await Hearthbeat(None)("node", "add", "--data", str(data), "--json")
    assert added.json["node"]
    assert "another broker" in added.err
    prepare_key(Home(data).unit_key)
    unit = await Hearthbeat(None)("unit", "add", "--serial", "HB24-1", "--data", str(data))
    assert (unit.code, "units are not followed" in unit.err) == (0, True)


async def test_it_prints_a_line_to_try_the_node_with(data: Path) -> None:
    """For a person, not in JSON: one connection, the node's own names, the hub's certificate."""
    noted = json.loads((Home(data).address_file).read_text())
    Home(data).note_addresses({**noted, "mqtt_tls": True, "certificate": "/a b/hub.crt"})
    added = await Hearthbeat(None)("node", "add", "--data", str(data), "--no-wait")
    lines = added.out.splitlines()
    node, password = lines[0].split()[1], lines[1].split()[1]
    words = shlex.split(lines[-1])
    assert words[:3] == ["mosquitto_rr", "-V", "5"]
    said = dict(pairwise(words))
    assert [said[option] for option in ("-i", "-u", "-P")] == [node, node, password]
    assert (said["-h"], said["-p"]) == (noted["mqtt_host"], str(noted["mqtt_port"]))
    assert said["--cafile"] == "/a b/hub.crt"
    assert (said["-e"], said["-t"]) == (f"hh/1/dn/{node}/time", f"hh/1/up/{node}/time")
