"""Binding units over the API: who may, what a wrong code costs and whom, and releasing again."""

from datetime import timedelta
from pathlib import Path

import pytest

from care.people import claiming
from contract.claim_code import grouped
from runtime.clock import ManualClock
from runtime.sealing import load_sealer
from store import claim, node
from store.pool import Connection
from tests.care.api.conftest import Caller
from tests.care.village import Village

SERIAL = "HB24-0001"
# A right check character, and not the code of any unit here.
OTHER = "T60134E6N9"


@pytest.fixture
async def made(conn: Connection, unit_key: Path, clock: ManualClock) -> claiming.MadeUnit:
    """A unit this hub knows."""
    unit = claiming.make_unit(SERIAL, "Maker", "Model")
    await claiming.add_unit(conn, load_sealer(unit_key), unit, by=None, now=clock.now())
    return unit


async def test_a_nurse_binds_a_unit_to_her_patient_by_qr_or_by_hand(
    api: Caller, village: Village, made: claiming.MadeUnit, conn: Connection
) -> None:
    """It is bound to the patient's home and area; bound twice is refused; strangers see nothing."""
    typed = {"serial": SERIAL, "code": grouped(made.code).lower()}
    body = typed | {"patient_id": village.patients["zhang"], "label": "kitchen"}
    assert (await api.post("stranger", "/api/claims", body)).status_code == 404
    opened = await api.post("nurse", "/api/claims", body)
    assert opened.status_code == 201, opened.text
    told = opened.json()
    assert (told["state"], told["node_id"], told["label"]) == ("open", None, "kitchen")
    again = await api.post(
        "nurse", "/api/claims", {"qr": made.qr} | {"patient_id": body["patient_id"]}
    )
    assert again.status_code == 409
    home = await (await conn.execute("SELECT household_id IS NOT NULL FROM claim")).fetchone()
    assert home == (True,)
    seen = {
        who: [c["serial"] for c in (await api.get(who, "/api/claims")).json()["claims"]]
        for who in ("nurse", "admin", "stranger")
    }
    assert seen == {"nurse": [SERIAL], "admin": [SERIAL], "stranger": []}


async def test_wrong_codes_slow_down_who_types_them_and_not_the_owner(
    api: Caller, village: Village, made: claiming.MadeUnit, conn: Connection, unit_key: Path,
    clock: ManualClock,
) -> None:  # fmt: skip
    """403 alike for a wrong code and an unknown unit; then 429; from elsewhere it still works."""
    wrong = {"serial": SERIAL, "code": OTHER, "patient_id": village.patients["zhang"]}
    answers = [await api.post("nurse", "/api/claims", wrong) for _ in range(7)]
    assert [a.status_code for a in answers] == [403] * 5 + [429] * 2
    unknown = await api.post("nurse", "/api/claims", wrong | {"serial": "HB99-9999"})
    assert (unknown.status_code, unknown.json()) == (403, answers[0].json())
    right = wrong | {"code": made.code}
    assert (await api.post("nurse", "/api/claims", right)).status_code == 429
    place = await claiming.place_of(conn, village.patients["zhang"], "")
    assert place is not None
    printed = claiming.read_printed(qr=made.qr, serial=None, code=None)
    sealer = load_sealer(unit_key)
    elsewhere = await claiming.open_claim(
        conn, sealer, printed, place, by=None, address="elsewhere", now=clock.now()
    )
    assert isinstance(elsewhere, claiming.Bound)


async def test_one_address_cannot_go_through_many_units(
    api: Caller, village: Village, made: claiming.MadeUnit, clock: ManualClock
) -> None:
    """Twenty wrong codes, each for another serial: the address has to wait, and only so long."""
    for number in range(20):
        wrong = {"serial": f"HB77-{number:04}", "code": OTHER, "area_id": village.areas["village"]}
        assert (await api.post("nurse", "/api/claims", wrong)).status_code == 403
    right = {"qr": made.qr, "patient_id": village.patients["zhang"]}
    waiting = await api.post("nurse", "/api/claims", right)
    assert waiting.status_code == 429
    clock.advance(int(waiting.headers["retry-after"]))
    assert (await api.post("nurse", "/api/claims", right)).status_code == 201


async def test_a_mistyped_code_is_said_and_costs_nothing(
    api: Caller, village: Village, made: claiming.MadeUnit
) -> None:
    """The check character tells a slip from a wrong code."""
    slip = made.code[:-1] + ("0" if made.code[-1] != "0" else "1")
    body = {"serial": SERIAL, "patient_id": village.patients["zhang"]}
    for _ in range(30):
        answer = await api.post("nurse", "/api/claims", body | {"code": slip})
        assert answer.status_code == 422
    assert answer.json()["type"].endswith("code-not-readable")
    assert (await api.post("nurse", "/api/claims", body | {"code": made.code})).status_code == 201


async def test_released_its_node_is_out_and_the_unit_free(
    api: Caller, village: Village, made: claiming.MadeUnit, conn: Connection, clock: ManualClock
) -> None:
    """A nurse may not release it, the lead may; then it can be bound again."""
    body = {"qr": made.qr, "patient_id": village.patients["zhang"]}
    opened = (await api.post("nurse", "/api/claims", body)).json()
    node_id, now = "node00000001", clock.now()
    await node.add(conn, node_id=node_id, area_id=opened["area_id"], household_id=None,
                   label="", now=now)  # fmt: skip
    await claim.issued(conn, opened["id"], node_id=node_id, now=now)
    clock.advance(timedelta(minutes=1).total_seconds())
    path = f"/api/claims/{opened['id']}"
    assert (await api.get("nurse", path)).json()["state"] == "issued"
    assert (await api.ask("nurse", "DELETE", path)).status_code == 403
    assert (await api.ask("lead", "DELETE", path)).json()["done"] is True
    left = await node.find(conn, node_id)
    assert left is not None
    assert left.revoked_at == clock.now()
    assert (await api.post("nurse", "/api/claims", body)).status_code == 201
