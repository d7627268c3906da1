"""Administration over HTTP: places, people, patients, nodes, and secrets shown once."""

import re

import httpx

from care.people import sign_in
from care.people.first_start import ensure_administrator
from runtime.clock import ManualClock
from store import credential
from store.pool import Connection
from tests.care.api.conftest import Caller
from tests.care.village import Village

_READY = (
    "INSERT INTO node_state (node_id, state, con, state_at, seen_at)"
    " VALUES (%s, 'ready', 1, now(), now())"
)


async def test_places_and_people(api: Caller, village: Village) -> None:
    """An area, a team on duty, a person on its ladder; each is in the lists afterwards."""
    area = (
        await api.post("admin", "/api/areas", {"name": "北村", "parent_id": village.areas["west"]})
    ).json()
    assert area["level"] == "village"
    team = await api.post(
        "admin", "/api/teams", {"name": "三组", "area_id": area["id"], "duty": True}
    )
    assert team.status_code == 201
    person = (
        await api.post(
            "admin",
            "/api/staff",
            {
                "user": "zhou",
                "display_name": "周护士",
                "role": "nurse",
                "password": "long enough 1",
            },
        )
    ).json()
    member = f"/api/teams/{team.json()['id']}/members/{person['id']}"
    assert (await api.ask("admin", "PUT", member, {"step": 2})).status_code == 200
    members = (await api.get("admin", f"/api/teams/{team.json()['id']}/members")).json()["members"]
    assert [(m["user_name"], m["step"]) for m in members] == [("zhou", 2)]
    assert (await api.ask("admin", "DELETE", member)).json()["done"] is True
    assert (await api.ask("admin", "DELETE", member)).status_code == 404
    areas = (await api.get("admin", "/api/areas")).json()["areas"]
    assert areas[-1]["duty_team_id"] == team.json()["id"]
    seen = (await api.get("stranger", "/api/areas")).json()["areas"]
    assert {a["name"] for a in seen} == {"west", "北村"}


async def test_a_token_is_shown_once(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """The answer that makes it is the only one that holds it; an expired one is nobody's."""
    path = f"/api/staff/{village.staff['nurse']}/tokens"
    ends = "2026-03-05T00:00:00Z"
    made = (await api.post("admin", path, {"label": "tablet", "expires_at": ends})).json()["token"]
    headers = {"Authorization": f"Bearer {made}"}
    assert (await api.client.get("/api/me", headers=headers)).json()["user"] == "nurse"
    for where in ("/api/staff", "/api/me", path):
        assert made not in (await api.get("admin", where)).text
    stored = await (await conn.execute("SELECT t::text FROM api_token t")).fetchall()
    assert not any(made in row[0] for row in stored)
    audited = await (await conn.execute("SELECT detail::text FROM audit")).fetchall()
    assert not any(made in row[0] for row in audited)
    clock.advance(86_400)
    assert (await api.client.get("/api/me", headers=headers)).status_code == 401


async def test_a_password_is_never_told(api: Caller, village: Village) -> None:
    """No answer holds a password or its hash."""
    body = {"user": "zhou", "display_name": "周", "password": "long enough 1"}
    added = await api.post("admin", "/api/staff", body)
    listed = await api.get("admin", "/api/staff")
    assert "long enough" not in added.text + listed.text
    assert "argon2" not in added.text + listed.text
    weak = await api.post("admin", "/api/staff", {**body, "user": "zhao2", "password": "short"})
    assert (weak.status_code, weak.json()["title"]) == (422, "weak password")
    taken = await api.post("admin", "/api/staff", body)
    assert (taken.status_code, taken.json()["title"]) == (409, "staff user name key")


async def test_enrolling_a_patient(api: Caller, village: Village) -> None:
    """In one's own place without saying so; elsewhere not; the target and why it is that."""
    added = await api.post(
        "stranger", "/api/patients", {"name": "钱大爷", "birth_date": "1940-01-02"}
    )
    assert added.status_code == 201, added.text
    body = added.json()
    assert (body["area_id"], body["team_id"]) == (village.areas["west"], village.teams["west"])
    assert re.fullmatch("r:[0-9a-z]{16}", body["pseudonym"])
    assert (body["target"]["sys"], body["target"]["dia"]) == (145, 85)
    assert "80" in body["target"]["reason"]
    assert body["time_zone"] == "Asia/Shanghai"
    elsewhere = {"name": "x", "area_id": village.areas["village"]}
    nowhere = {"name": "x", "area_id": 999_999}
    refused = [await api.post("stranger", "/api/patients", asked) for asked in (elsewhere, nowhere)]
    assert [r.status_code for r in refused] == [422, 422]
    assert refused[0].json() == refused[1].json()
    own = {"name": "y", "target": {"sys": 150, "dia": 90}, "frail": True}
    assert (await api.post("stranger", "/api/patients", own)).json()["target"] == {
        "sys": 150,
        "dia": 90,
        "reason": "set by the doctor",
    }


async def test_a_node_over_http(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """Credentials once, devices, handing on, a new password, revocation."""
    made = await api.post("lead", "/api/nodes", {"patient_id": village.patients["li"]})
    assert made.status_code == 201, made.text
    told = made.json()
    assert (told["host"], told["port"]) == ("hub.example", 1883)
    assert told["topics"]["publish"]["obs"] == f"hh/1/up/{told['node']}/obs"
    node = f"/api/nodes/{told['node']}"
    page = await api.get("lead", node)
    assert told["password"] not in page.text
    assert [d["dev"] for d in page.json()["devices"]] == ["", "cuff1"]
    assert (await api.post("lead", f"{node}/devices", {"dev": "ox1", "type": "oximeter"})).json()[
        "type"
    ] == "oximeter"
    again = await api.post("lead", f"{node}/devices", {"dev": "ox1"})
    assert again.status_code == 409
    handed = await api.post(
        "lead", f"{node}/bindings", {"dev": "cuff1", "patient_id": village.patients["zhang"]}
    )
    bound = [(b["dev"], b["patient_id"], b["until"] is None) for b in handed.json()["bindings"]]
    assert ("cuff1", village.patients["li"], False) in bound
    assert ("cuff1", village.patients["zhang"], True) in bound
    clock.advance(60)
    ended = await api.post("lead", f"{node}/unbind", {"dev": "cuff1"})
    assert all(b["until"] for b in ended.json()["bindings"] if b["dev"] == "cuff1")
    nodes = (await api.get("doctor", f"/api/patients/{village.patients['li']}/nodes")).json()
    assert [n["node_id"] for n in nodes["nodes"]] == [told["node"]]
    renewed = (await api.post("lead", f"{node}/password", {})).json()
    assert renewed["password"] != told["password"]
    await conn.execute(_READY, (told["node"],))
    assert (await api.get("lead", node)).json()["state"] == "ready"
    assert (await api.post("lead", f"{node}/revoke", {})).json()["done"] is True
    assert (await api.get("lead", node)).json()["state"] == "revoked"
    assert (await api.post("lead", f"{node}/password", {})).status_code == 409
    assert told["node"] not in [c.node_id for c in await credential.live(conn)]


async def test_bindings_of_others_are_not_shown(api: Caller, village: Village) -> None:
    """Whoever sees a node sees of its bindings only patients in their own scope."""
    node = village.nodes["zhao"]
    qian = village.patients["qian"]
    put = {"dev": "cuff1", "who": "B", "patient_id": qian}
    assert (await api.post("admin", f"/api/nodes/{node}/bindings", put)).status_code == 200
    seen = (await api.get("stranger", f"/api/nodes/{node}")).json()["bindings"]
    assert {b["patient_id"] for b in seen} == {village.patients["zhao"]}


EXTRA: tuple[tuple[str, dict[str, object]], ...] = (
    ("/api/sign-in", {"user": "x", "password": "y", "role": "admin"}),
    ("/api/areas", {"name": "x", "id": 7}),
    ("/api/teams", {"name": "x", "area_id": 1, "created_at": "now"}),
    ("/api/staff", {"user": "xx", "display_name": "x", "password_hash": "x"}),
    ("/api/patients", {"name": "x", "area_id": 1, "created_at": "now"}),
    ("/api/nodes", {"id": "abcdefghijkl"}),
    ("/api/nodes", {"devices": [{"dev": "x", "device_id": 1}]}),
)


async def test_p53_extra_properties_are_refused(api: Caller) -> None:
    """What nobody asked for is an error that names it, never silently dropped or taken."""
    for path, body in EXTRA:
        answer = await api.post("admin", path, body)
        assert answer.status_code == 422, path
        assert any("Extra inputs" in e["message"] for e in answer.json()["errors"]), path


async def test_a_session_can_administrate_too(
    client: httpx.AsyncClient, conn: Connection, clock: ManualClock
) -> None:
    """The first administrator, signed in by browser, adds the first area."""
    made = await ensure_administrator(conn, clock.now())
    assert made is not None
    user, secret = made
    opened = await client.post("/api/sign-in", json={"user": user, "password": secret})
    assert "administrate" in opened.json()["me"]["may"]
    assert (await client.post("/api/areas", json={"name": "柳树村"})).status_code == 201
    person = await sign_in.by_session(conn, client.cookies["hearthbeat_session"], now=clock.now())
    assert person is not None
