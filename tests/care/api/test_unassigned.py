"""The queue of what nobody owns: why, of whom perhaps, given away, set aside, taken back."""

import asyncio
from typing import Any

import httpx
import pytest

from contract.vitals import FLAGS
from store import device, feed
from store.feed import ReadingItem
from store.pool import Connection
from tests.care.api.conftest import Caller
from tests.care.api.measured import Measured
from tests.care.village import Village


async def queue(api: Caller, query: str = "", who: str = "doctor") -> list[dict[str, Any]]:
    """What waits, as somebody sees it."""
    answer = await api.get(who, f"/api/unassigned{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["readings"]
    return found


async def fed(conn: Connection) -> list[ReadingItem]:
    """What the feed was told, as (change, patient) of readings."""
    batches = await feed.read_after(conn, 0)
    return [item for batch in batches for item in batch.items if isinstance(item, ReadingItem)]


async def test_each_names_why_and_whom_it_may_be_of(
    api: Caller, conn: Connection, village: Village, measured: Measured
) -> None:
    """The likeliest first, with what is usual for them; only for those of the place."""
    zhang, li = village.patients["zhang"], village.patients["li"]
    node = village.nodes["zhang"]
    await conn.execute(
        b"UPDATE patient SET household_id = (SELECT household_id FROM node WHERE id = %s)"
        b" WHERE id = %s",
        (node, li),
    )
    usual = [await measured.row(60 * n, 120.0 + n, 80.0) for n in range(5)]
    shown = await measured.row(70, 250.0, 200.0, flags=FLAGS["demo"].mask)
    waiting = [
        await measured.row(n, 190.0, 110.0, patient_id=None, who=who, ordinal=n)
        for n, who in enumerate((None, "C", "r:0123456789abcdef", "grandma"), 1)
    ]
    await measured.store(*usual, shown, *waiting)
    told = await queue(api)
    # The whole device has been bound since: it would decide now.
    assert [one["why"] for one in told] == [
        *("bound_since", "bound_since", "unknown_pseudonym", "not_understood"),
    ]
    first, second = told[1]["candidates"]
    assert (first["patient_id"], first["bound"], first["name"]) == (zhang, True, "zhang")
    assert first["usual"] == {"values": {"sys": 122, "dia": 80}, "times": 5}
    assert (second["patient_id"], second["bound"], second["usual"]) == (li, False, None)
    assert await queue(api, who="stranger") == []
    other = await api.post(
        "stranger",
        "/api/unassigned/assign",
        {"readings": [told[0]["id"]], "patient_id": village.patients["zhao"]},
    )
    assert other.status_code == 409


async def test_pages_have_neither_gap_nor_repeat(
    api: Caller, village: Village, measured: Measured
) -> None:
    """`next_before` walks to the end; readings of one instant are told apart; slots narrow."""
    rows = [await measured.row(n // 2, 120.0, 80.0, patient_id=None, ordinal=n) for n in range(7)]
    await measured.store(*rows)
    seen, before = [], ""
    while True:
        page = (await api.get("nurse", f"/api/unassigned?limit=3{before}")).json()
        seen += [one["id"] for one in page["readings"]]
        if page["next_before"] is None:
            break
        before = f"&before={page['next_before']}"
    assert len(seen) == len(set(seen)) == 7
    assert len(await queue(api, "?slot=")) == 7
    assert await queue(api, "?slot=B") == []


async def test_given_to_somebody_it_is_theirs_and_the_feed_hears_it(
    api: Caller, conn: Connection, village: Village, measured: Measured
) -> None:
    """With history, audit and feed; what is delivered again does not take it back."""
    li = village.patients["li"]
    row = await measured.row(3, 190.0, 110.0, patient_id=None, who="C")
    await measured.store(row)
    (waiting,) = await queue(api)
    body = {"readings": [waiting["id"]], "patient_id": li}
    moved = await api.post("nurse", "/api/unassigned/assign", body)
    assert moved.status_code == 200, moved.text
    assert moved.json()["readings"] == 1
    await measured.store(row)
    assert await queue(api) == []
    (theirs,) = (await api.get("doctor", f"/api/patients/{li}/readings")).json()["readings"]
    assert (theirs["id"], theirs["patient_id"]) == (waiting["id"], li)
    assert [(i.change, i.patient_id) for i in await fed(conn)] == [("reassigned", li)]
    cursor = await conn.execute("SELECT reason, actor, before->>'patient_id' FROM reading_history")
    assert await cursor.fetchall() == [("reassigned", f"staff:{village.staff['nurse']}", None)]
    cursor = await conn.execute(
        "SELECT staff_id FROM audit WHERE action = 'readings_assigned' AND subject_id = %s",
        (str(li),),
    )
    assert await cursor.fetchall() == [(village.staff["nurse"],)]
    again = await api.post("doctor", "/api/unassigned/assign", body)
    assert again.status_code == 409
    assert "no longer" in again.json()["detail"]


async def test_of_two_people_at_once_one_is_told(
    api: Caller, village: Village, measured: Measured
) -> None:
    """Each gives the same readings to another: one whole deed holds, the other did nothing."""
    rows = [await measured.row(n, 150.0, 90.0, patient_id=None) for n in range(20)]
    await measured.store(*rows)
    ids = [one["id"] for one in await queue(api)]

    async def give(who: str, to: str, readings: list[str]) -> httpx.Response:
        body = {"readings": readings, "patient_id": village.patients[to]}
        return await api.post(who, "/api/unassigned/assign", body)

    both = await asyncio.gather(give("doctor", "li", ids), give("nurse", "zhang", ids[::-1]))
    assert sorted(answer.status_code for answer in both) == [200, 409]
    winner = "li" if both[0].status_code == 200 else "zhang"
    for name in ("li", "zhang"):
        path = f"/api/patients/{village.patients[name]}/readings"
        found = (await api.get("doctor", path)).json()["readings"]
        assert len(found) == (20 if name == winner else 0)


async def test_set_aside_and_taken_back(
    api: Caller, conn: Connection, village: Village, measured: Measured
) -> None:
    """A visitor's reading leaves the queue and stays stored; the deed is undone once, whole."""
    rows = [await measured.row(n, 150.0, 90.0, patient_id=None) for n in range(3)]
    await measured.store(*rows)
    ids = [one["id"] for one in await queue(api)]
    body = {"readings": ids[:2], "reason": "visitor", "note": "an uncle"}
    deed = (await api.post("nurse", "/api/unassigned/set-aside", body)).json()
    assert [one["id"] for one in await queue(api)] == ids[2:]
    cursor = await conn.execute("SELECT count(*) FROM reading WHERE set_aside = 'visitor'")
    assert await cursor.fetchone() == (2,)
    undo = f"/api/reassignments/{deed['id']}/undo"
    assert (await api.post("doctor", undo, {})).status_code == 404  # somebody else's deed
    assert (await api.post("nurse", undo, {})).status_code == 200
    back = await queue(api)
    assert [one["id"] for one in back] == ids
    assert [one["why"] for one in back] == ["put_back", "put_back", "bound_since"]
    assert (await api.post("nurse", undo, {})).status_code == 409


async def test_a_slot_bound_later_gives_nothing_by_itself(
    api: Caller, conn: Connection, village: Village, measured: Measured, clock: Any
) -> None:
    """What waits under a slot is offered with whom it measures now, and given from a date on."""
    node, li = village.nodes["zhang"], village.patients["li"]
    rows = [await measured.row(60 * n, 150.0, 90.0, patient_id=None, who="B") for n in range(4)]
    await measured.store(*rows)
    binding = {"dev": "cuff1", "who": "B", "patient_id": li}
    assert (await api.post("lead", f"/api/nodes/{node}/bindings", binding)).status_code == 200
    assert len(await queue(api)) == 4
    (heap,) = (await api.get("doctor", f"/api/unassigned/slots?node={node}")).json()["heaps"]
    assert (heap["slot"], heap["readings"], heap["patient_id"]) == ("B", 4, li)
    since = rows[2].measured_at.isoformat()
    body = {"node": node, "device": "cuff1", "slot": "B", "patient_id": li, "since": since}
    moved = await api.post("doctor", "/api/unassigned/assign-slot", body)
    assert moved.json()["readings"] == 3
    assert len(await queue(api)) == 1
    nothing = await api.post("doctor", "/api/unassigned/assign-slot", body)
    assert nothing.status_code == 409


async def test_a_pseudonym_nobody_knew_is_resolved_by_enrolling(
    api: Caller, conn: Connection, village: Village, measured: Measured
) -> None:
    """Whoever the station named is enrolled later: their readings are theirs, with a trace."""
    name = "r:0123456789abcdef"
    rows = [await measured.row(n, 150.0, 90.0, patient_id=None, who=name) for n in range(3)]
    await measured.store(*rows)
    new = {"name": "wu", "team_id": village.teams["village"], "pseudonym": name}
    added = await api.post("doctor", "/api/patients", new)
    assert added.status_code == 201, added.text
    wu = added.json()["id"]
    assert await queue(api) == []
    assert len((await api.get("doctor", f"/api/patients/{wu}/readings")).json()["readings"]) == 3
    (deed,) = (await api.get("doctor", f"/api/patients/{wu}/reassignments")).json()["reassignments"]
    assert (deed["what"], deed["by"], deed["readings"]) == ("assigned", "doctor", 3)
    twice = await api.post("doctor", "/api/patients", new)
    assert twice.status_code == 409


@pytest.mark.parametrize("broken", ["1.bp.1", "1.bp.999999999999999999.0", "x", "1.BP.1.0"])
async def test_a_name_of_no_reading_is_refused(api: Caller, village: Village, broken: str) -> None:
    """Not understood, said with its place; nothing is looked up."""
    body = {"readings": [broken], "patient_id": village.patients["li"]}
    answer = await api.post("doctor", "/api/unassigned/assign", body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"].startswith("/body/readings")


async def test_a_device_has_no_waiting_readings_of_others(
    api: Caller, conn: Connection, village: Village
) -> None:
    """A slot of a node out of scope looks like one that is not there."""
    found = await device.find(conn, node_id=village.nodes["zhao"], dev="cuff1")
    assert found is not None
    body = {
        "node": village.nodes["zhao"],
        "device": "cuff1",
        "slot": "",
        "patient_id": village.patients["li"],
    }
    assert (await api.post("doctor", "/api/unassigned/assign-slot", body)).status_code == 404
