"""Episodes over HTTP: the worklist, who was told, acknowledge and resolve, exactly once."""

from typing import Any, get_args

import pytest

from alerts import actions
from care.api.episodes import Outcome
from runtime.clock import ManualClock
from store.pool import Connection
from tests.care.api.conftest import Caller
from tests.care.village import Village

OPEN = (
    "INSERT INTO episode (patient_id, team_id, rule, rule_version, subject, priority, state,"
    " onset_at, last_evidence_at, opened_at, reason, policy)"
    " VALUES (%(patient)s, %(team)s, 'severe_pressure', 1, %(subject)s, %(priority)s, 'open',"
    " %(now)s, %(now)s, %(now)s, '186/112 twice', '{}') RETURNING id"
)


@pytest.fixture
async def episodes(conn: Connection, village: Village, clock: ManualClock) -> dict[str, int]:
    """Three of zhang, the oldest the least urgent; one of zhao elsewhere."""
    made: dict[str, int] = {}
    for name, priority, patient, team in (
        ("low", "low", "zhang", "village"),
        ("medium", "medium", "zhang", "village"),
        ("high", "high", "zhang", "village"),
        ("other", "high", "zhao", "west"),
    ):
        values = {
            "patient": village.patients[patient],
            "team": village.teams[team],
            "subject": name,
            "priority": priority,
            "now": clock.now(),
        }
        row = await (await conn.execute(OPEN, values)).fetchone()
        assert row is not None
        made[name] = int(row[0])
        clock.advance(60)
    return made


async def listed(api: Caller, who: str, query: str = "") -> list[int]:
    """The ids of the worklist, in its order."""
    answer = await api.get(who, f"/api/episodes{query}")
    assert answer.status_code == 200
    return [line["id"] for line in answer.json()["episodes"]]


async def test_the_worklist_is_ordered_by_urgency(api: Caller, episodes: dict[str, int]) -> None:
    """High before medium before low, and only what is in scope."""
    expected = [episodes["high"], episodes["medium"], episodes["low"]]
    assert await listed(api, "doctor", "?state=open") == expected
    assert await listed(api, "teamless") == []
    assert set(await listed(api, "admin")) == set(episodes.values())


async def test_acknowledged_then_resolved(
    api: Caller, conn: Connection, episodes: dict[str, int], village: Village
) -> None:
    """Acknowledging names who, resolving needs an outcome and a next step; both are audited."""
    one = f"/api/episodes/{episodes['high']}"
    taken = (await api.post("doctor", f"{one}/acknowledge", {"note": "I call her"})).json()
    assert (taken["state"], taken["acknowledged_by"]) == ("acknowledged", "doctor")
    assert taken["history"][-1]["phase"] == "acknowledge"
    assert "已受理" in taken["card"]["status"]
    assert taken["card"]["since"].startswith("始于")
    assert taken["history"][-1]["actor"] == f"staff:{village.staff['doctor']}"
    assert (await listed(api, "doctor"))[-1] == episodes["high"]
    body = {"outcome": "medication_changed", "next_step": "measure twice a day for a week"}
    closed = (await api.post("nurse", f"{one}/resolve", body)).json()
    assert (closed["state"], closed["outcome"]) == ("closed", "medication_changed")
    assert closed["next_step"] == body["next_step"]
    assert episodes["high"] not in await listed(api, "doctor")
    assert await listed(api, "doctor", "?state=closed") == [episodes["high"]]
    of_zhang = (
        await api.get("doctor", f"/api/patients/{village.patients['zhang']}/episodes")
    ).json()["episodes"]
    assert of_zhang[-1]["id"] == episodes["high"]
    rows = await (
        await conn.execute("SELECT action, staff_id FROM audit WHERE subject_kind = 'episode'")
    ).fetchall()
    assert ("acknowledge", village.staff["doctor"]) in rows
    assert ("resolve", village.staff["nurse"]) in rows


async def test_a_closed_episode_stays_closed(api: Caller, episodes: dict[str, int]) -> None:
    """The second one to close it is told that it is closed, and changes nothing."""
    one = f"/api/episodes/{episodes['low']}"
    body: dict[str, Any] = {"outcome": "called", "next_step": "nothing further"}
    assert (await api.post("doctor", f"{one}/resolve", body)).status_code == 200
    for path, again in (("resolve", {**body, "outcome": "visited"}), ("acknowledge", {})):
        answer = await api.post("nurse", f"{one}/{path}", again)
        assert answer.status_code == 409
        assert answer.json()["title"] == "already closed"
    assert (await api.get("nurse", one)).json()["outcome"] == "called"


UNSAID: tuple[dict[str, Any], ...] = (
    {},
    {"outcome": "called"},
    {"outcome": "called", "next_step": " "},
    {"outcome": "withdrawn", "next_step": "x"},
    {"outcome": "called", "next_step": "x", "closed_by": 1},
)


async def test_an_episode_is_not_closed_without_saying_how(
    api: Caller, episodes: dict[str, int]
) -> None:
    """No outcome, no next step, an outcome of the engine, an extra property: 422."""
    for body in UNSAID:
        answer = await api.post("doctor", f"/api/episodes/{episodes['low']}/resolve", body)
        assert answer.status_code == 422, body
        assert answer.json()["errors"]
    assert episodes["low"] in await listed(api, "doctor")


def test_the_api_knows_every_outcome() -> None:
    """The outcomes of the API are those of the engine's actions."""
    assert set(get_args(Outcome)) == set(actions.OUTCOMES)
