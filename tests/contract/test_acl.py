"""The access list on the real broker: a device reaches its own topics and nothing else."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from contract.acl import ACL, CLAIMS_USER, DOWNLINK_USER, INGEST_USER
from contract.topics import HUB_STATUS, dn, parse, up

OWN, OTHER = "nodeaaaa1", "nodebbbb2"


@contextmanager
def session(broker: Any, user: str) -> Iterator[tuple[mqtt.Client, list[tuple[str, bytes]]]]:
    """A connected client and what it receives."""
    received: list[tuple[str, bytes]] = []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    password = broker.url(user).split("@")[0].split(":")[2]
    client.username_pw_set(user, password)
    client.on_message = lambda _c, _u, message: received.append((message.topic, message.payload))
    connected: list[Any] = []
    client.on_connect = lambda _c, _u, _f, reason, _p: connected.append(reason)
    port = broker.hub_port if user.startswith("hub-") else broker.port
    client.connect(broker.host, port)
    client.loop_start()
    try:
        assert wait(lambda: bool(connected)), "no answer to CONNECT"
        assert not connected[0].is_failure
        yield client, received
    finally:
        client.disconnect()
        client.loop_stop()


def wait(ready: Any, seconds: float = 3.0) -> bool:
    """Until it is so, or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if ready():
            return True
        time.sleep(0.02)
    return bool(ready())


def publish(broker: Any, user: str, topic: str, payload: bytes = b"{}") -> None:
    """Publish once at QoS 1, on a connection of its own: Mosquitto 2.0.11 without a queue limit
    acknowledges a denied publish and then cuts the connection."""
    with session(broker, user) as (client, _):
        client.publish(topic, payload, qos=1).wait_for_publish(3)


@pytest.fixture
def home(broker: Any) -> Any:
    """A broker with two nodes."""
    broker.add_node(OWN, "one")
    broker.add_node(OTHER, "two")
    return broker


def test_a_device_writes_only_below_its_own_name(home: Any) -> None:
    """Its own uplinks arrive at the hub; another node's name, the hub's topics and dn/ do not."""
    with session(home, INGEST_USER) as (hub, received), session(home, OTHER) as (other, heard):
        hub.subscribe("hh/1/up/#", qos=1)
        other.subscribe([(dn(OTHER, "+"), 1), (HUB_STATUS, 1)])
        time.sleep(0.1)
        for topic in (up(OTHER, "obs"), dn(OTHER, "fb"), HUB_STATUS, f"hh/1/up/{OWN}/a/b", "x"):
            publish(home, OWN, topic)
        publish(home, OWN, up(OWN, "obs"), b"mine")
        assert wait(lambda: received)
        assert (received, heard) == ([(up(OWN, "obs"), b"mine")], [])


def test_a_device_reads_only_what_is_for_it(home: Any) -> None:
    """It hears its own downlinks and the hub's status, not its neighbour's and not uplinks."""
    with session(home, OWN) as (device, received):
        device.subscribe([("#", 1)])
        time.sleep(0.1)
        publish(home, DOWNLINK_USER, dn(OTHER, "plan"))
        publish(home, DOWNLINK_USER, up(OTHER, "birth"))
        publish(home, DOWNLINK_USER, dn(OWN, "plan"), b"for me")
        publish(home, INGEST_USER, HUB_STATUS, b"ready")
        publish(home, INGEST_USER, dn(OWN, "fb"), b"receipt")
        assert wait(lambda: len(received) == 3)
    assert [topic for topic, _ in received] == [dn(OWN, "plan"), HUB_STATUS, dn(OWN, "fb")]


def test_ingest_does_not_send_plans(home: Any) -> None:
    """Each service of the hub writes what is its own: a plan from ingest reaches nobody."""
    with session(home, OWN) as (device, received):
        device.subscribe(dn(OWN, "+"), qos=1)
        time.sleep(0.1)
        publish(home, INGEST_USER, dn(OWN, "plan"), b"no")
        publish(home, INGEST_USER, dn(OWN, "time"), b"yes")
        assert wait(lambda: received)
    assert [topic for topic, _ in received] == [dn(OWN, "time")]


def test_no_comment_stands_behind_a_rule() -> None:
    """Mosquitto would not start; and no device gets a section of its own."""
    rules = [line for line in ACL.splitlines() if line and not line.startswith("#")]
    assert all("# " not in line for line in rules)
    assert [line for line in rules if line.startswith("user")] == [
        f"user {INGEST_USER}",
        f"user {DOWNLINK_USER}",
        f"user {CLAIMS_USER}",
    ]


@pytest.mark.parametrize(
    ("topic", "fits"),
    [
        ("hh/1/up/abcdefgh/obs", True),
        ("hh/1/dn/a1b2c3d4e5/fb", True),
        ("hh/1/up/short/obs", False),
        ("hh/1/up/UPPERCASE/obs", False),
        ("hh/2/up/abcdefgh/obs", False),
        ("hh/1/up/abcdefgh", False),
        ("hh/1/up/abcdefgh/obs/x", False),
        ("hh/1/side/abcdefgh/obs", False),
        ("hh/1/up/" + "a" * 25 + "/obs", False),
    ],
)
def test_topics_are_taken_apart(topic: str, fits: bool) -> None:
    """Direction, node and kind of a device topic; nothing else is one."""
    assert (parse(topic) is not None) is fits
