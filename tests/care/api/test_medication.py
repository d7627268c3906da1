"""The plan over HTTP: edited against confirmed, right person, doses, adherence."""

from datetime import timedelta
from typing import Any

import pytest

from runtime.clock import ManualClock
from store.pool import Connection
from tests.care.api.conftest import Caller
from tests.care.village import Village

ITEM = {"drug": "氨氯地平 amlodipine", "dose_text": "5 mg", "times": ["08:00", "20:00"]}


@pytest.fixture
def plan(village: Village) -> str:
    """The address of zhang's plan."""
    return f"/api/patients/{village.patients['zhang']}/plan"


async def test_an_item_is_edited_and_waits_for_the_device(
    api: Caller, conn: Connection, village: Village, plan: str, clock: ManualClock
) -> None:
    """What was edited stands beside what the device has confirmed; after 10 min it is overdue."""
    added = await api.post("doctor", f"{plan}/items", ITEM)
    assert added.status_code == 201, added.text
    (item,) = added.json()["plan"]["items"]
    assert item["times"] == ["08:00", "20:00"]
    assert item["node_id"] == village.nodes["zhang"]
    assert item["starts_on"] == "2026-03-04"
    assert item["text_zh"] == "请服用 氨氯地平 amlodipine 5 mg"
    (device,) = added.json()["plan"]["devices"]
    assert (device["edit"], device["on_device"], device["overdue"]) == (1, False, False)
    clock.advance(601)
    (device,) = (await api.get("doctor", plan)).json()["devices"]
    assert device["overdue"] is True
    await conn.execute(
        "UPDATE plan SET published_edit = edit, edit_revision = 1, revision = 1,"
        " confirmed_revision = 1, confirmed_at = %s",
        (clock.now(),),
    )
    (device,) = (await api.get("doctor", plan)).json()["devices"]
    assert (device["on_device"], device["overdue"]) == (True, False)


async def test_changing_and_stopping_keep_the_past(
    api: Caller, conn: Connection, plan: str
) -> None:
    """A change puts another item in its place; a stopped one stays readable; all is audited."""
    first = (await api.post("doctor", f"{plan}/items", ITEM)).json()["item_id"]
    changed = await api.ask("doctor", "PUT", f"{plan}/items/{first}", {**ITEM, "times": ["07:30"]})
    second = changed.json()["item_id"]
    running = [i for i in changed.json()["plan"]["items"] if i["stopped_at"] is None]
    assert [(i["id"], i["replaces_id"], i["times"]) for i in running] == [
        (second, first, ["07:30"])
    ]
    stopped = await api.ask("doctor", "DELETE", f"{plan}/items/{second}")
    assert [i for i in stopped.json()["plan"]["items"] if i["stopped_at"] is None] == []
    again = await api.ask("doctor", "DELETE", f"{plan}/items/{second}")
    assert (again.status_code, again.json()["title"]) == (409, "already stopped")
    rows = await (
        await conn.execute("SELECT action FROM audit WHERE action LIKE 'plan_item%' ORDER BY id")
    ).fetchall()
    assert [row[0] for row in rows] == ["plan_item_added", "plan_item_changed", "plan_item_stopped"]


async def test_an_item_of_somebody_else_is_not_found(
    api: Caller, village: Village, plan: str
) -> None:
    """An item id of another patient, however right, is nothing under this patient."""
    first = (await api.post("doctor", f"{plan}/items", ITEM)).json()["item_id"]
    other = f"/api/patients/{village.patients['li']}/plan/items/{first}"
    for method, body in (("PUT", ITEM), ("DELETE", None)):
        assert (await api.ask("doctor", method, other, body)).status_code == 404
    items = (await api.get("doctor", plan)).json()["items"]
    assert [i["stopped_at"] for i in items] == [None]


WRONG: tuple[tuple[dict[str, Any], int], ...] = (
    ({"times": []}, 422),
    ({"times": ["25:00"]}, 422),
    ({"times": ["08:00", "08:00"]}, 422),
    ({"times": ["08:00:30"]}, 422),
    ({"weekdays": [8]}, 422),
    ({"drug": ""}, 422),
    ({"drug": "a\x00b"}, 422),
    ({"starts_on": "2026-03-04", "ends_on": "2026-03-01"}, 422),
    ({"node_id": "zzzzzzzzzzzz"}, 409),
    ({"patient_id": 1}, 422),
    ({"snooze_max": -1}, 422),
)


async def test_a_wrong_item_changes_nothing(api: Caller, plan: str) -> None:
    """Each is refused with its reason, and the plan stays as it was."""
    for change, status in WRONG:
        answer = await api.post("doctor", f"{plan}/items", {**ITEM, **change})
        assert answer.status_code == status, (change, answer.text)
        assert answer.json()["hint"]
    assert (await api.get("doctor", plan)).json()["items"] == []


async def test_a_patient_without_a_node_has_nowhere_to_ring(api: Caller, village: Village) -> None:
    """The answer says what to do first."""
    path = f"/api/patients/{village.patients['li']}/plan/items"
    answer = await api.post("doctor", path, ITEM)
    assert answer.status_code == 409
    assert "node" in answer.json()["hint"]


async def test_doses_and_adherence(
    api: Caller, conn: Connection, village: Village, plan: str, clock: ManualClock
) -> None:
    """Two taken in time, one late, one missed, one open: taking 3/4, timing 2/4."""
    item = (await api.post("doctor", f"{plan}/items", ITEM)).json()["item_id"]
    start = clock.now() - timedelta(days=2)
    for n, (state, minutes) in enumerate(
        [("taken", 5), ("taken", 0), ("late_taken", 90), ("missed", 60), ("shown", 0)]
    ):
        due = start + timedelta(hours=12 * n)
        await conn.execute(
            "INSERT INTO dose (id, plan_item_id, patient_id, node_id, due_at, window_from,"
            " window_to, state, state_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                *(f"d{n}", item, village.patients["zhang"], village.nodes["zhang"], due),
                *(due - timedelta(minutes=15), due + timedelta(hours=1), state),
                due + timedelta(minutes=minutes),
            ),
        )
    base = f"/api/patients/{village.patients['zhang']}"
    doses = (await api.get("doctor", f"{base}/doses")).json()["doses"]
    assert [d["state"] for d in doses] == ["taken", "taken", "late_taken", "missed", "shown"]
    assert doses[0]["drug"] == ITEM["drug"]
    figures = (await api.get("doctor", f"{base}/adherence?days=7")).json()
    assert (figures["prescribed"], figures["taken"], figures["in_window"]) == (4, 3, 2)
    assert (figures["taking"], figures["timing"]) == (0.75, 0.5)
    assert figures["correct_dosing_days"] == figures["correct_days"] / figures["days"]
    nothing = (await api.get("doctor", f"/api/patients/{village.patients['li']}/adherence")).json()
    assert nothing["taking"] is None
