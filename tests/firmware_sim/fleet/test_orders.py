"""A node of a fleet obeys: commands, requests to slow down, and its own death."""

import asyncio
import json
import os
import signal
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from contract.acl import DOWNLINK_USER, INGEST_USER
from firmware_sim.fleet import Fleet, Mix, write_accounts
from firmware_sim.fleet.ledger import Again, Gone, Receipted, Sent, read
from runtime.settings import parse_broker_url
from tests.firmware_sim.fleet.conftest import Place, until
from tests.fixtures.fix_broker import LiveBroker

SOON_MS = 3_600_000


class Hub:
    """What a hub does at the broker, by hand: hears everything, says what the test wants."""

    def __init__(self, broker: LiveBroker, user: str, *topics: str) -> None:
        self.heard: list[tuple[str, bytes]] = []
        at = parse_broker_url(broker.url(user))
        self._client = paho.Client(CallbackAPIVersion.VERSION2, f"{user}-test")
        self._client.username_pw_set(at.user, at.password)
        self._client.on_message = lambda _c, _u, m: self.heard.append((m.topic, m.payload))
        self._client.on_connect = lambda *_: [self._client.subscribe(one, 1) for one in topics]
        self._client.connect(at.host, at.port)
        self._client.loop_start()

    def say(self, topic: str, body: dict[str, Any], *, retain: bool = False) -> None:
        self._client.publish(topic, json.dumps(body), 1, retain).wait_for_publish(10)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [json.loads(body) for topic, body in list(self.heard) if topic.endswith(kind)]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def hub(place: Place) -> Any:
    """Ingest's rights; says that it is ready."""
    made = Hub(place.broker, INGEST_USER, "hh/1/up/#")
    made.say("hh/1/hub/status", {"s": "ready", "spec": "1.0"}, retain=True)
    yield made
    made.close()


@pytest.fixture
def downlink(place: Place) -> Any:
    """Downlink's rights."""
    made = Hub(place.broker, DOWNLINK_USER)
    yield made
    made.close()


def order(id_: str, op: str, **args: int) -> dict[str, Any]:
    """A command that holds for an hour."""
    exp = time.time_ns() // 1_000_000 + SOON_MS
    return {"v": 0, "id": id_, "op": op, "args": args, "exp": exp}


async def test_commands_are_answered_once_each(place: Place, hub: Hub, downlink: Hub) -> None:
    """What is kept is sent again, what was receipted is gone, what nobody knows is unsupported."""
    one = place.accounts[:1]
    fleet = Fleet(place.options(accounts=one, minutes=1.0, rate=20.0, resend_s=600.0, boot=5))
    running = asyncio.create_task(fleet.run())
    node = f"hh/1/dn/{one[0].node}"
    await until(lambda: fleet.counts.acked > 12)
    hub.say(f"{node}/fb", {"v": 0, "t": 1, "rcpt": {"boot": 5, "upto": 3, "also": [[6, 7]]}})
    hub.say(f"{node}/fb", {"v": 0, "t": 1, "rcpt": {"boot": 4, "upto": 900}})
    await until(lambda: fleet.counts.receipted == 6)
    downlink.say(f"{node}/cmd", order("c1", "resend", boot=5, **{"from": 2, "to": 8}))
    downlink.say(f"{node}/cmd", order("c1", "resend", boot=5, **{"from": 2, "to": 8}))
    downlink.say(f"{node}/cmd", order("c2", "reboot"))
    downlink.say(f"{node}/cmd", order("c3", "rebirth") | {"exp": 1})
    await until(lambda: len(hub.of("/res")) >= 4 and fleet.counts.again >= 3)
    fleet.stop()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    answers = [(one["id"], one["st"], one.get("out")) for one in hub.of("/res")]
    sent, gone = [[4, 5], [8, 8]], [[2, 3], [6, 7]]
    resent = ("c1", "ok", {"sent": sent, "gone": gone})
    assert sorted(answers, key=repr)[:2] == [resent, resent]
    assert {(i, s) for i, s, _ in answers[2:]} <= {("c2", "unsupported"), ("c3", "expired"),
                                                   ("c1", "ok")}  # fmt: skip
    records = place.records()
    assert {r.seq for r in records if isinstance(r, Again)} >= {4, 5, 8}
    assert [(r.first, r.last) for r in records if isinstance(r, Gone)] == [(2, 3), (6, 7)]
    assert [(r.first, r.last) for r in records if isinstance(r, Receipted)] == [(0, 3), (6, 7)]


async def test_backlog_waits_as_long_as_the_hub_asks(place: Place, hub: Hub) -> None:
    """After W5101 nothing is caught up; new measurements go on."""
    one = place.accounts[:1]
    hub.say("hh/1/hub/status", {"s": "degraded", "spec": "1.0"}, retain=True)
    fleet = Fleet(place.options(accounts=one, minutes=1.0, rate=50.0))
    running = asyncio.create_task(fleet.run())
    await until(lambda: fleet.counts.made >= 40)
    slow = {"v": 0, "t": 1, "ok": True, "code": "W5101", "retry": False, "after": 3600}
    hub.say(f"hh/1/dn/{one[0].node}/fb", slow)
    await until(lambda: fleet.counts.throttled == 1)
    hub.say("hh/1/hub/status", {"s": "ready", "spec": "1.0"}, retain=True)
    await until(lambda: len(hub.of("/obs")) >= 20)
    assert not any(message.get("hist") for message in hub.of("/obs"))
    assert fleet.summary().held >= 40
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_fleet_that_is_killed_has_sent_nothing_it_did_not_write_down(
    place: Place, hub: Hub, tmp_path: Path
) -> None:
    """Kill -9 in full flow: what the broker has is in the books, byte for byte."""
    accounts = tmp_path / "accounts.json"
    write_accounts(accounts, place.accounts)
    assert accounts.stat().st_mode & 0o077 == 0
    command = [sys.executable, "-m", "firmware_sim.fleet", "--rate", "800", "--minutes", "5"]
    where = ["--broker", f"mqtt://127.0.0.1:{place.broker.port}", "--accounts", str(accounts)]
    process = await asyncio.create_subprocess_exec(
        *command, *where, "--ledger", str(place.ledger), stderr=asyncio.subprocess.DEVNULL
    )
    await until(lambda: len(hub.of("/obs")) > 300)
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    heard = -1
    while heard != len(hub.heard):  # until the broker has told everything it has
        heard = len(hub.heard)
        await asyncio.sleep(0.5)
    books = {one.sha256 for one in read(place.ledger) if isinstance(one, Sent)}
    told = {sha256(body).digest() for topic, body in hub.heard if not topic.endswith("/state")}
    assert len(told) > 300
    assert told <= books


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        (["--broker", "mqtt://192.0.2.1:1883"], 2, "only to this machine"),
        (["--broker", "mqtts://127.0.0.1:8883"], 2, "plain MQTT"),
        (["--mix", "sngle=1"], 2, "not one of single"),
        (["--mischief", "late=-1"], 2, "from 0 to 1"),
        (["--mix", "event=1", "--minutes", "0.02", "--settle", "1"], 1, "sent, not receipted"),
        (["--broker", "mqtt://127.0.0.1:9", "--minutes", "0.01", "--settle", "0"], 3, "refused"),
    ],
)
async def test_the_command_says_how_it_ended(
    place: Place, tmp_path: Path, given: list[str], code: int, says: str
) -> None:
    """Exit codes: 1 not everything receipted, 2 wrong usage, 3 nobody got in."""
    write_accounts(tmp_path / "accounts.json", place.accounts)
    usual = {
        "--broker": f"mqtt://127.0.0.1:{place.broker.port}",
        "--accounts": str(tmp_path / "accounts.json"),
        "--ledger": str(place.ledger),
    }
    wanted = usual | dict(zip(given[::2], given[1::2], strict=True))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "firmware_sim.fleet",
        *(part for pair in wanted.items() for part in pair),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), 60.0)
    assert process.returncode == code, said.decode()
    assert says in " ".join(said.decode().split())


async def test_events_are_sent_although_no_hub_is_there(place: Place, hub: Hub) -> None:
    """A retained offline does not mute them, and without a receipt they come again."""
    hub.say("hh/1/hub/status", {"s": "offline", "spec": "1.0"}, retain=True)
    fleet = Fleet(place.options(mix=Mix(single=0, event=1), rate=4.0, minutes=1 / 60, settle_s=30))
    running = asyncio.create_task(fleet.run())
    await until(lambda: any(one.get("try", 0) > 1 for one in hub.of("/event")))
    ids = [one["id"] for one in hub.of("/event")]
    assert len(set(ids)) < len(ids)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
