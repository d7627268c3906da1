"""Role x endpoint x scope: every operation of the OpenAPI document, asked by everybody."""

import re
from typing import Any

import httpx

from runtime.clock import ManualClock
from store.pool import Connection
from tests.care.api.conftest import Caller
from tests.care.village import Village

PEOPLE = ("admin", "lead", "doctor", "nurse", "stranger", "teamless")
OPEN_TO_ALL = {"sign_in", "read_health", "read_ready"}
# Which roles an operation needs; whatever is not named here is for every role.
_ADMIN = frozenset({"admin"})
_LEADS = _ADMIN | {"lead"}
_DOCTORS = _LEADS | {"doctor"}
_EVERY_ROLE = _DOCTORS | {"nurse"}
ROLES = {
    "add_area": _ADMIN,
    "add_team": _ADMIN,
    "put_member": _ADMIN,
    "remove_member": _ADMIN,
    "add_staff": _ADMIN,
    "make_token": _ADMIN,
    "revoke_tokens": _ADMIN,
    "disable_staff": _ADMIN,
    "list_staff": _LEADS,
    "list_members": _LEADS,
    "add_node": _LEADS,
    "add_device": _LEADS,
    "bind_device": _LEADS,
    "unbind_device": _LEADS,
    "revoke_node": _LEADS,
    "renew_node_password": _LEADS,
    "replay_rejects": _LEADS,
    "change_node_config": _LEADS,
    "list_firmware": _LEADS,
    "announce_firmware": _ADMIN,
    "withdraw_firmware": _ADMIN,
    "list_notices": _ADMIN,
    "end_claim": _LEADS,
    "add_patient": _DOCTORS,
    "add_plan_item": _DOCTORS,
    "change_plan_item": _DOCTORS,
    "stop_plan_item": _DOCTORS,
}
SCOPED = ("patient_id", "node_id", "episode_id", "reject_id", "claim_id", "deed_id")
BODIES: dict[str, Any] = {
    "add_area": {"name": "x", "level": "nowhere"},  # never succeeds: the matrix changes nothing
    "add_team": {"name": "x", "area_id": 999_999},
    "put_member": {"step": 1},
    "add_staff": {"user": "X", "display_name": "x"},
    "make_token": {},
    "add_patient": {"name": "x", "area_id": 999_999},
    "add_plan_item": {"drug": "x", "times": ["08:00:30"]},
    "change_plan_item": {"drug": "x", "times": ["08:00"]},
    "acknowledge_episode": {},
    "resolve_episode": {"outcome": "called", "next_step": "call again"},
    "add_node": {"patient_id": 999_999},
    "open_claim": {"serial": "HB24-0000", "code": "mistyped"},
    "add_device": {"dev": "cuff1"},
    "bind_device": {"dev": "none", "patient_id": 999_999},
    "unbind_device": {"dev": "none"},
    "change_node_config": {"set": {"volume": 300}},
    "order_command": {"op": "measure_now", "args": {"k": "none"}},
    "announce_firmware": {
        **dict.fromkeys(("maker", "model", "version", "url", "sha256"), "x"),
        "size": 0,
        "signature": "x",
        "public_key": "x",
    },
}


def operations(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Every (operation id, method, path)."""
    return [
        (operation["operationId"], method.upper(), path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def of_zhao(path: str, village: Village, episode: int, refused: int) -> str:
    """The path with the ids of the other county's patient, node, episode and refusal."""
    ids: dict[str, object] = {
        "patient_id": village.patients["zhao"],
        "node_id": village.nodes["zhao"],
        "episode_id": episode,
        "reject_id": refused,
        "device_id": 999_999,
        "claim_id": 999_999,
        "deed_id": 999_999,
        "reading": "1.bp.1795354700000000.0",
        "recording_name": "none",
        "command_id": "none",
        "firmware_id": 999_999,
        "item_id": 1,
        "team_id": village.teams["west"],
        "staff_id": 999_999,
    }
    return re.sub(r"\{(\w+)\}", lambda name: str(ids[name[1]]), path)


async def episode_of_zhao(conn: Connection, village: Village, clock: ManualClock) -> int:
    """An open episode in the other county."""
    cursor = await conn.execute(
        "INSERT INTO episode (patient_id, team_id, rule, rule_version, priority, state, onset_at,"
        " last_evidence_at, opened_at, reason, policy) VALUES (%(patient)s, %(team)s, 'r', 1,"
        " 'high', 'open', %(now)s, %(now)s, %(now)s, 'because', '{}') RETURNING id",
        {
            "patient": village.patients["zhao"],
            "team": village.teams["west"],
            "now": clock.now(),
        },
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def reject_of_zhao(conn: Connection, village: Village, clock: ManualClock) -> int:
    """A message refused in the other county."""
    cursor = await conn.execute(
        "INSERT INTO reject (received_at, node_id, topic, code, path, reason, payload)"
        " VALUES (%s, %s, 't', 'E2001', '', 'broken', '{') RETURNING id",
        (clock.now(), village.nodes["zhao"]),
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def test_p48_every_cell_of_the_matrix(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """Nobody: 401. A role that may not: 403. Out of scope: 404 like what does not exist."""
    episode = await episode_of_zhao(conn, village, clock)
    refused = await reject_of_zhao(conn, village, clock)
    document = (await api.get(None, "/api/openapi.json")).json()
    nothing = (await api.get("admin", "/api/patients/987654321")).json()
    checked = 0
    for operation, method, template in operations(document):
        if operation in OPEN_TO_ALL or operation == "sign_out":
            continue
        path = of_zhao(template, village, episode, refused)
        body = BODIES.get(operation, {} if method in ("POST", "PUT") else None)
        assert (await api.ask(None, method, path, body)).status_code == 401, operation
        roles = ROLES.get(operation, _EVERY_ROLE)
        for who in PEOPLE:
            if who in ("admin", "stranger") and method != "GET":
                continue  # they may, and would
            role = who if who in ("admin", "lead", "nurse") else "doctor"
            answer = await api.ask(who, method, path, body)
            told = (operation, who, answer.status_code, answer.text[:200])
            scoped = any(f"{{{name}}}" in template for name in SCOPED)
            if role not in roles:
                # Scope is looked at first or after: either way nothing is learnt.
                assert answer.status_code in ({403, 404} if scoped else {403}), told
            elif scoped and who not in ("admin", "stranger"):
                assert answer.status_code == 404, told
                assert answer.json() == nothing, told
            else:
                assert answer.status_code < 500, told
                assert answer.status_code not in (401, 403), told
            checked += 1
    assert checked > 150


async def test_others_patients_look_like_nobody(api: Caller, village: Village) -> None:
    """The same status, body and headers for somebody else's patient and for no patient."""
    other = await api.get("doctor", f"/api/patients/{village.patients['zhao']}")
    nobody = await api.get("doctor", "/api/patients/424242")
    assert (
        (other.status_code, other.json())
        == (nobody.status_code, nobody.json())
        == (
            404,
            nobody.json(),
        )
    )
    drop = {"date"}
    assert {k: v for k, v in other.headers.items() if k not in drop} == {
        k: v for k, v in nobody.headers.items() if k not in drop
    }


async def test_p43_nobody_out_of_scope_acknowledges(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """An acknowledgement by somebody out of scope is impossible and changes nothing."""
    episode = await episode_of_zhao(conn, village, clock)
    for who in ("lead", "doctor", "nurse", "teamless"):
        tried = await api.post(who, f"/api/episodes/{episode}/acknowledge", {})
        closed = await api.post(
            who,
            f"/api/episodes/{episode}/resolve",
            {"outcome": "false_alarm", "next_step": "nothing"},
        )
        assert (tried.status_code, closed.status_code) == (404, 404)
    row = await (await conn.execute("SELECT state, acknowledged_by FROM episode")).fetchone()
    assert row == ("open", None)


async def test_lists_show_the_scope_and_nothing_else(api: Caller, village: Village) -> None:
    """The list of patients is exactly the scope, page by page."""
    seen: dict[str, set[int]] = {}
    for who in PEOPLE:
        pages: list[int] = []
        after: int | None = 0
        while after is not None:
            page = (await api.get(who, f"/api/patients?limit=2&after={after}")).json()
            pages += [p["id"] for p in page["patients"]]
            after = page["next_after"]
        assert len(pages) == len(set(pages))
        seen[who] = set(pages)
    ids = village.patients
    assert seen["admin"] == set(ids.values())
    assert seen["doctor"] == {ids["zhang"], ids["li"], ids["sun"]}
    assert seen["stranger"] == {ids["zhao"], ids["sun"]}
    assert seen["teamless"] == set()


async def test_a_disabled_person_is_out_at_once(api: Caller, village: Village) -> None:
    """Disabling ends tokens in the same moment, and the person's name stays on what they did."""
    assert (await api.get("doctor", "/api/me")).status_code == 200
    done = await api.post("admin", f"/api/staff/{village.staff['doctor']}/disable", {})
    assert done.json()["done"] is True
    assert (await api.get("doctor", "/api/me")).status_code == 401


async def test_unknown_addresses_are_problems_too(client: httpx.AsyncClient) -> None:
    """What does not exist answers like what may not be seen; a wrong method says so."""
    nowhere = await client.get("/api/nowhere")
    assert nowhere.status_code == 404
    assert nowhere.headers["content-type"] == "application/problem+json"
    assert (await client.delete("/api/me")).status_code == 405
