"""The administration commands, as a script runs them: a process, a database, JSON, exit codes."""

import asyncio
import json
import logging
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from care.people import sign_in
from hub.main import app
from runtime.clock import SystemClock
from store.pool import Connection


@dataclass
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Standard output, which must be one JSON object and nothing else."""
        assert self.code == 0, self.err
        body = json.loads(self.out)
        assert isinstance(body, dict)
        return body


class Hearthbeat:
    """Runs `hearthbeat …` on one database: as a process of its own, or in this one (quicker)."""

    def __init__(self, database_url: str | None, *, process: bool = False) -> None:
        self._process = process
        self._set = {"HEARTHBEAT_DATABASE_URL": database_url, "HEARTHBEAT_DATA": None}
        self._set |= {"COLUMNS": "200", "NO_COLOR": "1"}

    async def __call__(self, *args: str, stdin: str = "") -> Ran:
        """Run it to its end."""
        return await asyncio.to_thread(self._run if self._process else self._invoke, args, stdin)

    def _invoke(self, args: tuple[str, ...], stdin: str) -> Ran:
        root, logs = logging.getLogger(), structlog.get_config()
        handlers, level = root.handlers[:], root.level
        try:
            result = CliRunner(env=self._set).invoke(app, args, input=stdin)
        finally:
            root.handlers[:], root.level = handlers, level
            structlog.configure(**logs)
            structlog.contextvars.clear_contextvars()
        return Ran(result.exit_code, result.stdout, result.stderr)

    def _run(self, args: tuple[str, ...], stdin: str) -> Ran:
        wanted = {**os.environ, **self._set}
        ran = subprocess.run(
            [sys.executable, "-m", "hub.main", *args],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env={name: value for name, value in wanted.items() if value is not None},
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)


@pytest.fixture
def hearthbeat(database_url: str) -> Hearthbeat:
    """The command line on this test's database."""
    return Hearthbeat(database_url)


async def test_the_shortest_way_from_an_empty_hub(hearthbeat: Hearthbeat, conn: Connection) -> None:
    """staff, patient, node: what is missing is made and said, and the token works."""
    staff = await hearthbeat("staff", "add", "--user", "li", "--name", "李医生", "--json")
    assert staff.json.keys() == {"id", "staff_id", "user", "token", "password"}
    assert "made 'Home village'" in staff.err
    assert "made 'Family doctor team'" in staff.err
    patient = (await hearthbeat("patient", "add", "--name", "王桂兰", "--json")).json
    assert re.fullmatch(r"r:[0-9a-z]{16}", patient["pseudonym"])
    assert patient["team_id"] is not None
    node = (
        await hearthbeat(
            "node", "add", "--patient", str(patient["patient_id"]), "--no-wait", "--json"
        )
    ).json
    assert set(node) == {
        *("id", "node", "password", "host", "port", "user", "client_id", "tls", "patient_id"),
        *("devices", "topics", "tls_port", "mqtts_port", "ca"),
    }
    assert re.fullmatch(r"[a-z0-9]{12}", node["node"])
    assert node["user"] == node["client_id"] == node["node"]
    assert node["topics"]["publish"]["obs"] == f"hh/1/up/{node['node']}/obs"
    assert node["topics"]["subscribe"] == [f"hh/1/dn/{node['node']}/+", "hh/1/hub/status"]
    assert [d["dev"] for d in node["devices"]] == ["", "cuff1"]
    now = SystemClock().now()
    holder = await sign_in.by_token(conn, staff.json["token"], now=now)
    assert holder is not None
    opened = await sign_in.sign_in(
        conn, user_name="li", given=staff.json["password"], address="here", now=now
    )
    assert isinstance(opened, sign_in.Opened)
    stored = await (await conn.execute("SELECT token_sha256 FROM api_token")).fetchall()
    assert staff.json["token"].encode() not in [row[0] for row in stored]


async def test_a_tree_with_teams_and_ladders(hearthbeat: Hearthbeat) -> None:
    """Areas by code, several teams, members on steps, a webhook with its secret once."""
    county = (
        await hearthbeat(
            "area", "add", "--name", "青石县", "--level", "county", "--code", "c1", "--json"
        )
    ).json
    village = (await hearthbeat("area", "add", "--name", "柳树村", "--parent", "c1", "--json")).json
    assert village["parent_id"] == county["area_id"]
    first = (
        await hearthbeat(
            *("team", "add", "--name", "一组", "--area", str(village["area_id"]), "--duty"),
            *("--webhook", "http://127.0.0.1:9/hook", "--escalate-after", "60", "--json"),
        )
    ).json
    assert len(first["webhook_secret"]) >= 40
    await hearthbeat("team", "add", "--name", "二组", "--area", "c1")
    nurse = await hearthbeat("staff", "add", "--user", "chen", "--role", "nurse", "--json")
    assert "several teams" in nurse.err
    team = str(first["team_id"])
    put = await hearthbeat("team", "member", "--team", team, "--user", "chen", "--step", "2")
    assert put.code == 0
    teams = (await hearthbeat("team", "list", "--json")).json["teams"]
    assert [t["ladder"] for t in teams] == [["2:chen"], []]
    unclear = await hearthbeat("patient", "add", "--name", "王")
    assert unclear.code == 1
    assert "--area" in unclear.err
    placed = await hearthbeat("patient", "add", "--name", "王", "--team", team, "--json")
    assert placed.json["area_id"] == village["area_id"]


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        pytest.param(("area", "add", "--name", "B", "--code", "c1"), 1, "another code", id="taken"),
        pytest.param(
            ("area", "add", "--name", "B", "--level", "county", "--parent", "c1"),
            1,
            "lies below its parent",
            id="not below",
        ),
        pytest.param(("area", "add", "--name", "B", "--parent", "99"), 1, "no area 99", id="none"),
        pytest.param(("area", "add", "--name", "B", "--time-zone", "X"), 1, "IANA", id="zone"),
        pytest.param(("area", "add", "--name", "B", "--level", "moon"), 2, "level", id="level"),
        pytest.param(("area", "add"), 2, "--name", id="no name"),
        pytest.param(("staff", "add", "--user", "Dr Li"), 1, "a user name is", id="user"),
        pytest.param(("staff", "token", "--user", "nobody"), 1, "nobody called", id="nobody"),
        pytest.param(("patient", "add", "--name", "x", "--target", "hi"), 2, "135/85", id="target"),
        pytest.param(
            ("patient", "add", "--name", "x", "--target", "300/85"), 1, "systolic", id="range"
        ),
        pytest.param(("patient", "add", "--name", "x", "--birth-date", "x"), 2, "1948", id="day"),
        pytest.param(
            ("patient", "add", "--name", "x", "--birth-date", "2950-01-01"), 2, "future", id="born"
        ),
        pytest.param(
            ("patient", "add", "--name", "x", "--birth-date", "1899-12-31"), 2, "1900", id="old"
        ),
        pytest.param(("node", "add", "--device", "c1:banana"), 2, "bpm, oximeter, scale", id="t"),
        pytest.param(("node", "add", "--patient", "9"), 1, "no patient 9", id="no patient"),
        pytest.param(("node", "add", "--device", "A b"), 2, "NAME[:TYPE]", id="device"),
        pytest.param(("node", "revoke", "--node", "abcdefgh"), 1, "no node", id="no node"),
        pytest.param(("team", "add", "--name", "x", "--webhook", "me"), 2, "http", id="webhook"),
        pytest.param(("node", "bind", "--node", "x"), 2, "--dev", id="usage"),
    ],
)
async def test_refusals_say_why_with_their_code(
    hearthbeat: Hearthbeat, conn: Connection, args: tuple[str, ...], code: int, says: str
) -> None:
    """1: a rule, 2: usage; nothing on standard output, the reason on standard error."""
    await conn.execute("INSERT INTO area (level, name, code) VALUES ('county', 'A', 'c1')")
    ran = await hearthbeat(*args, "--json")
    assert (ran.code, ran.out) == (code, "")
    assert says in ran.err
    assert "Traceback" not in ran.err


async def test_no_hub_is_code_3(database_url: str, empty_database_url: str) -> None:
    """No running hub, no server, no schema: 3, and what to do."""
    nobody = await Hearthbeat(None, process=True)("area", "list", "--data", "/nonexistent")
    assert nobody.code == 3
    assert "hearthbeat up" in nobody.err
    away = await Hearthbeat("postgresql://127.0.0.1:1/none")("area", "list")
    assert away.code == 3
    bare = await Hearthbeat(empty_database_url)("area", "list")
    assert bare.code == 3
    assert "hearthbeat migrate" in bare.err


async def test_secrets_by_standard_input_and_again(
    hearthbeat: Hearthbeat, conn: Connection
) -> None:
    """A password can come by stdin and is not repeated; tokens can be made and all ended."""
    made = await hearthbeat(
        "staff", "add", "--user", "li", "--password-stdin", "--json", stdin="a very good one\n"
    )
    assert made.json.keys() == {"id", "staff_id", "user", "token"}
    weak = await hearthbeat("staff", "password", "--user", "li", "--password-stdin", stdin="1234\n")
    assert weak.code == 1
    assert "10 to 200" in weak.err
    again = (await hearthbeat("staff", "token", "--user", "li", "--json")).json
    ended = (await hearthbeat("staff", "token", "--user", "li", "--revoke", "--json")).json
    assert ended["revoked"] == 2
    now = SystemClock().now()
    for token in (made.json["token"], again["token"]):
        assert await sign_in.by_token(conn, token, now=now) is None


async def test_a_node_from_first_to_last(hearthbeat: Hearthbeat, conn: Connection) -> None:
    """Add with slots, add a device, hand it on, renew the password, revoke, list."""
    for name in ("zhang", "li"):
        await hearthbeat("patient", "add", "--name", name)
    node = (
        await hearthbeat(
            *("node", "add", "--label", "hall", "--no-wait", "--json"),
            *("--device", "cuff1:bpm:who=A:patient=1", "--device", "cuff1:bpm:who=B:patient=2"),
        )
    ).json
    name = node["node"]
    added = await hearthbeat("node", "device", "--node", name, "--device", "ox1:oximeter", "--json")
    assert added.json["type"] == "oximeter"
    assert (
        await hearthbeat("node", "bind", "--node", name, "--dev", "ox1", "--patient", "2")
    ).code == 0
    listed = (await hearthbeat("node", "list", "--json")).json["nodes"]
    assert listed[0]["measures"] == ["cuff1/A: patient 1", "cuff1/B: patient 2", "ox1: patient 2"]
    renewed = (await hearthbeat("node", "password", "--node", name, "--no-wait", "--json")).json
    assert renewed["password"] != node["password"]
    assert (await hearthbeat("node", "revoke", "--node", name, "--no-wait")).code == 0
    again = await hearthbeat("node", "password", "--node", name, "--no-wait")
    assert again.code == 1
    rows = await (
        await conn.execute("SELECT action FROM audit WHERE subject_kind = 'node'")
    ).fetchall()
    assert {row[0] for row in rows} == {
        *("node_added", "node_password_made", "device_added", "device_bound", "node_revoked"),
    }


async def test_a_device_without_a_type(hearthbeat: Hearthbeat) -> None:
    """One called cuff… is a blood pressure meter, any other is `other` until a birth says more."""
    given = [f"--device={text}" for text in ("cuff1", "cuff2:who=B", "ox1", "ox2:oximeter")]
    node = (await hearthbeat("node", "add", "--no-wait", "--json", *given)).json
    kinds = [(d["dev"], d["type"], d["who"]) for d in node["devices"] if d["dev"]]
    assert kinds == [
        *(("cuff1", "bpm", ""), ("cuff2", "bpm", "B")),
        *(("ox1", "other", ""), ("ox2", "oximeter", "")),
    ]


@pytest.mark.parametrize(
    ("noun", "verbs"),
    [
        ("area", ("add", "list")),
        ("team", ("add", "list", "member", "webhook")),
        ("staff", ("add", "list", "token", "password", "disable")),
        ("patient", ("add", "list")),
        ("node", ("add", "list", "device", "bind", "revoke", "password")),
    ],
)
async def test_every_command_helps_with_an_example(
    hearthbeat: Hearthbeat, noun: str, verbs: tuple[str, ...]
) -> None:
    """--help of the noun names its verbs; --help of each verb shows an example."""
    overview = await hearthbeat(noun, "--help")
    for verb in verbs:
        assert re.search(rf"^\W*{verb}\s", overview.out, re.MULTILINE), verb
        text = (await hearthbeat(noun, verb, "--help")).out
        assert f"hearthbeat {noun} {verb}" in text
        assert "Example" in text
