"""A vital sign nobody knew is one entry in vitals.yaml: here one goes from a device to the chart.

The packages are copied, one entry is added to the copy, and a whole hub runs from there. Before,
the hub as it is ran on the same directory: what it could not take is taken again after the fix.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, Queue
from threading import Event
from typing import Any

import httpx
import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from playwright.async_api import expect

from runtime.running import wait_until
from tests.architecture.test_shape import ROOMS as PACKAGES
from tests.fixtures.fix_browser import Chromium
from tests.fixtures.fix_hub import ROOMS, SOURCE, HubProcess, _starting

pytestmark = [
    pytest.mark.loop,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
]

# In a unit that no other vital sign has.
ENTRY = """
  - k: waist
    zh: 腰围
    en: Waist circumference
    parts:
      - {key: waist, zh: 腰围, en: Waist circumference, loinc: ["8280-0"], mdc: null,
         units: [{ucum: cm, zh: 厘米, en: centimetres},
                 {ucum: "[in_i]", symbol: in, zh: 英寸, en: inches, factor: 2.54}],
         possible: [20, 250], plausible: [40, 200]}
"""
PASSWORD = "a-long-enough-password"
# Points of the chart of a vital sign, by the name and type of the series.
SERIES = """
(name) => Object.fromEntries(
  getElement(document.querySelector(`[aria-label="${name}"] .chart`).id.slice(1))
    .chart.getOption().series.map(s => [`${s.name} ${s.symbol || s.type}`, s.data.map(d => d[1])]))
"""


class NewHub:
    """A hub, a patient with a tape measure, another who waits for a fix, three of the staff."""

    def __init__(self, hub: HubProcess) -> None:
        self.hub, self.source = hub, SOURCE
        self.token = self.run("staff", "add", "--user", "li", *_PASSWORD_STDIN)["token"]
        self.run("staff", "add", "--user", "lee", "--locale", "en", *_PASSWORD_STDIN)
        lead = ("--role", "lead", "--password-stdin")
        self.lead = self.run("staff", "add", "--user", "wang", *lead)["token"]
        self.patient = self.run("patient", "add", "--name", "李秀英")["id"]
        self.waiting = self.run("patient", "add", "--name", "张德福")["id"]
        tapes = (f"tape1:other:patient={self.patient}", f"tape2:other:patient={self.waiting}")
        self.node = self.run("node", "add", *(part for one in tapes for part in ("--device", one)))
        self.heard: Queue[dict[str, Any]] = Queue()
        self.mqtt = self._connect()
        self.seq = 0

    @property
    def url(self) -> str:
        """Where the console and the API are."""
        return str(self.hub.addresses()["http_url"])

    def runs_from(self, hub: HubProcess, source: Path) -> None:
        """The hub runs from another tree now, on the same data."""
        self.hub, self.source = hub, source
        self.mqtt = self._connect()

    def run(self, *command: str) -> dict[str, Any]:
        """A command of the copied tree."""
        ran = subprocess.run(
            [sys.executable, "-m", "hub.main", *command, "--data", str(self.hub.data), "--json"],
            check=False,
            cwd=self.source,
            env=os.environ | {"PYTHONPATH": str(self.source)},
            input=f"{PASSWORD}\n",
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        return dict(json.loads(ran.stdout))

    def _connect(self) -> paho.Client:
        listens = Event()
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=self.node["node"])
        client.username_pw_set(self.node["user"], self.node["password"])
        client.on_connect = lambda c, *_: c.subscribe(f"hh/1/dn/{self.node['node']}/fb", 1)
        client.on_subscribe = lambda *_: listens.set()
        client.on_message = lambda _c, _d, m: self.heard.put(json.loads(m.payload))
        client.connect(self.node["host"], self.node["port"])
        client.loop_start()
        assert listens.wait(10), self.hub.said()
        return client

    def publish(self, *series: dict[str, Any], t: int) -> None:
        """A batch of the tape measure, with paho."""
        self.mqtt.publish(self.topic, self.batch(*series, t=t), 1).wait_for_publish(10)

    @property
    def topic(self) -> str:
        """Where the node publishes measurements."""
        return f"hh/1/up/{self.node['node']}/obs"

    def batch(self, *series: dict[str, Any], t: int) -> str:
        """The next message."""
        self.seq += 1
        ser = [{"k": "waist", "dev": "tape1", **one} for one in series]
        said = {"v": 0, "boot": 7, "seq": self.seq, "t": t, "clk": "ntp", "rc": 1, "ser": ser}
        return json.dumps(said)

    def answer(self, key: str) -> dict[str, Any]:
        """The next feedback that has this key."""
        until = time.monotonic() + 15
        while time.monotonic() < until:
            try:
                said = self.heard.get(timeout=1)
            except Empty:
                continue
            if key in said:
                return said
        pytest.fail(f"no feedback with {key}: {self.hub.said()}")

    def get(self, path: str) -> dict[str, Any]:
        """From the API, as the first doctor."""
        headers = {"Authorization": f"Bearer {self.token}"}
        told = httpx.get(f"{self.url}/api{path}", headers=headers, trust_env=False)
        assert told.status_code == 200, told.text
        return dict(told.json())

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """To the API, as the leader of the team."""
        headers = {"Authorization": f"Bearer {self.lead}"}
        told = httpx.post(f"{self.url}/api{path}", json=body, headers=headers, trust_env=False)
        assert told.is_success, told.text
        return dict(told.json())

    def replay(self, code: str) -> list[str]:
        """Have everything refused with this code taken again; what came of it."""
        rejects = [one for one in self.get("/rejects")["rejects"] if one["code"] == code]
        asked = self.post("/rejects/replay", {"ids": [one["id"] for one in rejects]})["asked"]
        assert asked, rejects

        def results() -> list[str]:
            return [self.get(f"/rejects/{one}")["replay_result"] or "" for one in asked]

        assert wait_until(lambda: all(results()), 60.0), self.hub.said()
        return results()

    def of_patient(self, what: str, least: int) -> list[dict[str, Any]]:
        """At least so many readings or blocks of the new vital sign."""
        path = f"/patients/{self.patient}/{what}?kind=waist"
        assert wait_until(lambda: len(self.get(path)[what]) >= least, 45.0), self.hub.said()
        return list(self.get(path)[what])

    def tell(self, *series: dict[str, Any], t: int) -> None:
        """A batch with mosquitto_pub, as a maker would try it."""
        node = self.node
        self.mqtt.disconnect()  # a node is one client
        said = ["-h", node["host"], "-p", str(node["port"]), "-i", node["node"]]
        said += ["-u", node["user"], "-P", node["password"], "-q", "1", "-t", self.topic]
        command = ["mosquitto_pub", *said, "-m", self.batch(*series, t=t)]
        subprocess.run(command, check=True, timeout=20)
        self.mqtt = self._connect()

    def cookies(self, user: str) -> dict[str, str]:
        """Sign in."""
        body = {"user": user, "password": PASSWORD}
        told = httpx.post(f"{self.url}/api/sign-in", json=body, trust_env=False)
        assert told.status_code == 200, told.text
        return dict(told.cookies)


_PASSWORD_STDIN = ("--role", "doctor", "--password-stdin")


PRESSURE = {"k": "bp", "o": [0], "c": {"sys": [148], "dia": [91], "pr": [70]}}


@pytest.fixture(scope="module")
def refused_at() -> int:
    """When what the hub as it is cannot take was measured, in ms."""
    return int(time.time() * 1000) - 60_000


@pytest.fixture(scope="module")
def new_hub(tmp_path_factory: pytest.TempPathFactory, refused_at: int) -> Iterator[NewHub]:
    """A hub whose dictionary has one entry more than when it was told the first two messages."""
    source = tmp_path_factory.mktemp("tree")
    ignored = shutil.ignore_patterns("__pycache__")
    for part in (*PACKAGES, "docs", "tests/contract/golden"):
        shutil.copytree(SOURCE / part, source / part, ignore=ignored)
    with (source / "contract" / "vitals.yaml").open("a", encoding="utf-8") as dictionary:
        dictionary.write(ENTRY)
    with _starting() as start:
        made = NewHub(start("new", rooms=ROOMS).wait_up(90.0))
        made.publish({"dev": "tape2", "o": [0], "y": [88]}, t=refused_at)
        assert made.answer("code")["code"] == "W2001"
        made.publish(PRESSURE | {"dev": "cuff9"}, t=refused_at)
        assert made.answer("code")["code"] == "E4001"
        made.mqtt.loop_stop()
        assert made.hub.stop() == 0, made.hub.said()
        made.runs_from(start("new", rooms=ROOMS, source=source).wait_up(90.0), source)
        yield made
        made.mqtt.loop_stop()


async def test_one_entry_goes_from_the_device_to_the_chart(
    new_hub: NewHub, chromium: Chromium
) -> None:
    """Single readings and a dense block: stored, told by the API, drawn in both languages."""
    now = int(time.time() * 1000)
    hour = 3_600_000
    new_hub.tell({"o": [0, hour, 2 * hour], "y": [92.5, 93, 91]}, t=now - 3 * hour)
    new_hub.publish({"dt": 1000, "y": [90, 91, None, 95]}, t=now - hour)
    new_hub.publish({"o": [0], "u": "[in_i]", "y": [40], "fl": ["motion"]}, t=now - 1000)

    readings = new_hub.of_patient("readings", 4)
    assert [one["values"]["waist"] for one in readings] == [101.6, 91, 93, 92.5]
    assert {one["unit"] for one in readings} == {"cm"}
    assert readings[0]["original"]["u"] == "[in_i]"
    (block,) = new_hub.of_patient("blocks", 1)
    assert (block["unit"], block["part"]) == ("cm", "waist")
    assert block["samples"] == [90, 91, None, 95]

    async with chromium.tab(new_hub.url, cookies=new_hub.cookies("li")) as tab:
        await tab.go(f"/patients/{new_hub.patient}")
        panel = tab.page.get_by_role("region", name="腰围")
        await expect(panel).to_contain_text("最近一次 101.6 cm")
        await expect(panel).to_contain_text("连续监测：3 个采样")
        await expect(panel.locator("tbody tr")).to_have_count(4)
        await expect(panel.locator("tbody tr").first).to_contain_text("测量时有活动")
        await expect(panel.locator(".chart canvas")).to_be_visible()
        drawn = await tab.page.evaluate(SERIES, "腰围")
        assert drawn["腰围 circle"] == [92.5, 93, 91, 101.6]
        assert [round(value) for value in drawn["腰围 emptyCircle"]] == [92]
        assert await tab.all_problems() == []
    async with chromium.tab(new_hub.url, cookies=new_hub.cookies("lee")) as tab:
        await tab.go(f"/patients/{new_hub.patient}")
        panel = tab.page.get_by_role("region", name="Waist circumference")
        await expect(panel).to_contain_text("Latest 101.6 cm")
        await expect(panel).to_contain_text("lowest 90, mean 92, highest 95")
        # What comes in while the page is open is drawn.
        new_hub.publish({"o": [0], "y": [94]}, t=int(time.time() * 1000))
        await expect(panel).to_contain_text("Latest 94 cm")
        assert await tab.all_problems() == []


async def test_what_was_kept_aside_is_taken_once_it_is_known(
    new_hub: NewHub, refused_at: int
) -> None:
    """A replay brings the vital sign that the dictionary has learnt to its chart, at its own time,
    with what came of it beside the refusal; asked for again, nothing is new."""
    path = f"/patients/{new_hub.waiting}/readings?kind=waist"
    assert new_hub.get(path)["readings"] == []
    assert new_hub.replay("W2001") == ["stored"]
    (one,) = new_hub.get(path)["readings"]
    assert (one["values"], one["unit"]) == ({"waist": 88}, "cm")
    assert round(datetime.fromisoformat(one["measured_at"]).timestamp() * 1000) == refused_at
    assert new_hub.replay("W2001") == ["nothing new"]
    assert len(new_hub.get(path)["readings"]) == 1


async def test_what_was_refused_is_taken_once_its_device_is_declared(
    new_hub: NewHub, refused_at: int
) -> None:
    """Replayed before the fix it is refused again and says why; after it the reading is there."""
    assert new_hub.replay("E4001")[0].startswith("refused: E4001 /ser/0/dev")
    node = f"/nodes/{new_hub.node['node']}"
    new_hub.post(f"{node}/devices", {"dev": "cuff9", "type": "bp_cuff"})
    since = datetime.fromtimestamp(refused_at / 1000 - 60, UTC).isoformat()
    bound = {"dev": "cuff9", "patient_id": new_hub.waiting, "since": since}
    new_hub.post(f"{node}/bindings", bound)
    assert new_hub.replay("E4001") == ["stored"]
    (one,) = new_hub.get(f"/patients/{new_hub.waiting}/readings?kind=bp")["readings"]
    assert one["values"] == {"sys": 148, "dia": 91, "pr": 70}


async def test_what_cannot_be_is_refused_with_its_range(new_hub: NewHub) -> None:
    """The entry's range is the check's range: nothing else had to be taught."""
    new_hub.publish({"o": [0], "y": [900]}, t=int(time.time() * 1000))
    said = new_hub.answer("code")
    assert (said["code"], said["path"], said["got"]) == ("E3101", "/ser/0/y/0", "900")
    assert "from 20 to 250 cm" in said["msg"]


async def test_the_api_tells_the_new_vital_sign(new_hub: NewHub) -> None:
    """Its names, unit and range, for whoever draws or checks it."""
    known = {one["kind"]: one for one in new_hub.get("/vital-signs")["vital_signs"]}
    waist = known["waist"]
    assert waist["names"] == {"zh": "腰围", "en": "Waist circumference"}
    (part,) = waist["parts"]
    assert (part["unit"], part["possible"]) == ("cm", [20, 250])
    assert part["units"] == ["cm", "[in_i]"]


async def test_the_specification_has_it_by_the_one_command(new_hub: NewHub) -> None:
    """Made anew from that tree: in the page for people and in the schema for machines."""
    make = [sys.executable, "-m", "contract.specification"]
    environment = os.environ | {"PYTHONPATH": str(new_hub.source)}

    def run(action: str) -> int:
        command = [*make, action]
        return subprocess.run(
            command, check=False, cwd=new_hub.source, env=environment, timeout=60
        ).returncode

    assert run("check") == 1, "the documents of the copy do not know it yet"
    assert run("write") == 0
    assert run("check") == 0, "and nothing released was taken back"
    docs = new_hub.source / "docs"
    assert "| `waist` |" in (docs / "contract.md").read_text(encoding="utf-8")
    schema = (docs / "hh1" / "schema" / "up-obs.json").read_text(encoding="utf-8")
    assert "waist" in schema
