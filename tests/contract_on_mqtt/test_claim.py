"""From a printed QR code to the first reading and out again: over real TLS, with a certificate and
with a password."""

import asyncio
import json
import secrets
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from firmware_sim.robot import signals
from firmware_sim.robot.claiming import Unit, claim
from firmware_sim.robot.device import Robot
from firmware_sim.robot.line import LineEndedError
from runtime.running import wait_until
from runtime.settings import parse_broker_url
from tests.contract_on_mqtt.conftest import LiveHub, Rows, quick
from tests.contract_on_mqtt.label import read_label
from tests.contract_on_mqtt.test_error_claims import door
from tests.fixtures.promised import promised

_TABLES = ("reading", "reading_conflict", "block", "wave_chunk", "event", "node_diag")


def printed_unit(hub: LiveHub, place: Path) -> Unit:
    """A unit as it leaves the factory; what is on its label is read from the picture."""
    picture = place / "label.png"
    made = hub.cli("unit", "add", "--serial", f"HB-{secrets.token_hex(4)}", "--qr", str(picture))
    text = read_label(picture)
    assert text == made["qr"]
    return Unit.from_qr(text, made["secret"])


def bind(hub: LiveHub, unit: Unit) -> None:
    """A nurse scans the label and says whose it is."""
    body = {"qr": f"HH1:{unit.serial}:{unit.code}", "patient_id": hub.patient}
    opened = hub.api("POST", "/claims", json=body)
    assert (opened["state"], opened["serial"]) == ("open", unit.serial)


async def everything(rows: Rows, node: str) -> dict[str, Any]:
    """Every row there is of the node."""
    return {
        table: sorted(map(str, await rows.all(f"SELECT * FROM {table} WHERE node_id = %s", node)))
        for table in _TABLES
    }


@pytest.mark.parametrize("certificate", [True, False], ids=["certificate", "password"])
@pytest.mark.parametrize("mqtt", [3, 5])
async def test_from_a_printed_code_to_a_reading_and_out(
    hub: LiveHub, rows: Rows, tmp_path: Path, certificate: bool, mqtt: int
) -> None:
    """Label, binding, claim, reading over REST; revoked, it is cut off within ten seconds, gets
    in no more, and what it said before, said again, changes nothing."""
    unit = await asyncio.to_thread(printed_unit, hub, tmp_path)
    await asyncio.to_thread(bind, hub, unit)
    habits = quick(mqtt=mqtt, encoding="cbor" if certificate else "json")
    access = await claim(unit, door(hub), habits=habits, certificate=certificate)
    assert (access.certificate is None) == (access.password is not None) == (not certificate)
    assert access.tls
    assert access.ca
    sys = 130 + secrets.randbelow(40)
    async with Robot(access, habits=habits) as robot:
        await robot.hub_ready()
        said = robot.observe([signals.pressure(sys, 82, dev="cuff1")])
        robot.observe([signals.pressure(sys, 81) | {"dev": ""}])
        await robot.receipted()
        told = hub.api("GET", f"/patients/{hub.patient}/readings", params={"limit": 500})
        assert sys in [each["values"].get("sys") for each in told["readings"]]
        before = await everything(rows, access.node)
        revoked_at = time.monotonic()
        revoked = await asyncio.to_thread(hub.run, "node", "revoke", "--node", access.node)
        assert revoked.exit_code == 0, revoked.stderr
        await robot.until(lambda: not robot.online, promised(10.0))
        assert time.monotonic() - revoked_at < promised(10.0)
        messages = [message for message in robot.outbox.all() if message.seq >= said]
    with pytest.raises(LineEndedError):
        async with Robot(access, habits=habits):
            pytest.fail("let in")
    await asyncio.to_thread(replay, hub, access.node, [m.body | {"kind": m.kind} for m in messages])
    refused = "SELECT 1 FROM reject WHERE node_id = %s AND code = 'E4003'"
    await rows.until(refused, access.node)
    assert await everything(rows, access.node) == before


def replay(hub: LiveHub, node: str, bodies: list[dict[str, Any]]) -> None:
    """Somebody who can write to the broker says again what the node said, and something new."""
    where = parse_broker_url(hub.service_url("hub-downlink"))
    client = paho.Client(CallbackAPIVersion.VERSION2, "somebody-else")
    client.username_pw_set(where.user, where.password)
    client.connect(where.host, where.port)
    client.loop_start()
    assert wait_until(client.is_connected, 30.0)
    for body in (*bodies, bodies[0] | {"seq": 10_000}):
        kind = body["kind"]
        payload = json.dumps({key: value for key, value in body.items() if key != "kind"})
        client.publish(f"hh/1/up/{node}/{kind}", payload, 1).wait_for_publish(5)
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize("certificate", [True, False], ids=["certificate", "password"])
async def test_released_it_leaves_nothing_behind_and_can_be_bound_again(
    hub: LiveHub, rows: Rows, tmp_path: Path, certificate: bool
) -> None:
    """Unclaiming ends the session and clears what was retained; the same label makes another node
    of it."""
    unit = await asyncio.to_thread(printed_unit, hub, tmp_path)
    await asyncio.to_thread(bind, hub, unit)
    access = await claim(unit, door(hub), habits=quick(), certificate=certificate)
    async with Robot(access, habits=quick()) as robot:
        await robot.receipted()
        done = "SELECT 1 FROM claim WHERE serial = %s AND completed_at IS NOT NULL"
        await rows.until(done, unit.serial)
        assert retained(hub, access.node) == {"birth", "state"}
        ended = await asyncio.to_thread(hub.run, "node", "unclaim", "--serial", unit.serial)
        assert ended.exit_code == 0, ended.stderr
        await robot.until(lambda: not robot.online, 10.0)
    deadline = time.monotonic() + 8.0
    while await asyncio.to_thread(retained, hub, access.node):
        assert time.monotonic() < deadline, "still retained"
    await asyncio.to_thread(bind, hub, unit)
    again = await claim(unit, door(hub), habits=quick(), certificate=not certificate)
    assert again.node != access.node
    async with Robot(again, habits=quick()) as robot:
        await robot.receipted()


def retained(hub: LiveHub, node: str) -> set[str]:
    """The kinds of messages the broker keeps of a node."""
    where = parse_broker_url(hub.service_url("hub-ingest"))
    found: set[str] = set()
    client = paho.Client(CallbackAPIVersion.VERSION2, f"looking-{secrets.token_hex(4)}")
    client.username_pw_set(where.user, where.password)
    client.on_message = lambda _c, _u, message: found.add(message.topic.rpartition("/")[2])
    client.connect(where.host, where.port)
    client.subscribe(f"hh/1/up/{node}/+")
    until = time.monotonic() + 0.4
    while time.monotonic() < until:
        client.loop(0.05)
    client.disconnect()
    return found


@pytest.mark.parametrize("certificate", [True, False], ids=["certificate", "password"])
async def test_credentials_are_rotated_under_way(
    hub: LiveHub, rows: Rows, tmp_path: Path, certificate: bool
) -> None:
    """The robot gets new credentials by command, works with them, and loses no message."""
    unit = await asyncio.to_thread(printed_unit, hub, tmp_path)
    await asyncio.to_thread(bind, hub, unit)
    access = await claim(unit, door(hub), habits=quick(), certificate=certificate)
    async with Robot(access, habits=quick()) as robot:
        await robot.receipted()
        asked = await asyncio.to_thread(hub.run, "node", "rotate", "--node", access.node, "--now")
        assert asked.exit_code == 0, asked.stderr
        await robot.until(lambda: robot.access != access and robot.con > 1 and robot.online, 25.0)
        seq = robot.observe([signals.pressure(128, 80) | {"dev": ""}])
        await robot.receipted()
        stored = "SELECT v0 FROM reading WHERE (node_id, boot, seq) = (%s, %s, %s)"
        assert await rows.all(stored, access.node, robot.outbox.boot, seq) == [(128.0,)]
        assert robot.access.password != access.password or certificate
        assert robot.access.certificate != access.certificate or not certificate
