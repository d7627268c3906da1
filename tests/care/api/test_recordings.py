"""Waveforms and diagnostics over HTTP: in physical units, in parts, for whom they concern."""

import struct
from datetime import timedelta
from typing import Any

import pytest

from care.api import waves
from runtime.clock import ManualClock
from store import device, node_diag, wave
from store.node_diag import DiagRow
from store.pool import Connection
from store.wave import ChunkRow
from tests.care.api.conftest import Caller
from tests.care.village import Village


async def chunk(conn: Connection, village: Village, clock: ManualClock, **given: Any) -> ChunkRow:
    """One second of two channels of zhang's, stored."""
    found = await device.find(conn, node_id=village.nodes["zhang"], dev="cuff1")
    assert found is not None
    number = given.get("chunk", 0)
    usual: dict[str, Any] = {
        "device_id": found.id, "recording": "rec/1", "chunk": 0, "kind": "ecg",
        "patient_id": village.patients["zhang"],
        "started_at": clock.now() + timedelta(seconds=number), "hz": 2.0, "samples": 2,
        "channels": ["I", "II"], "encoding": "i16le", "scale": 0.005, "zero": 1.0, "unit": "mV",
        "last": False, "data": struct.pack("<4h", 0, 100, number, -100), "clock": "ntp",
        "claimed_at": None, "node_id": village.nodes["zhang"], "boot": 1, "seq": number,
        "received_at": clock.now(),
    }  # fmt: skip
    row = ChunkRow(**(usual | given))
    await wave.write(conn, [row])
    return row


async def test_a_recording_is_told_in_its_unit(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """Listed with how much of it is there; read with values by channel, period, origin, factor."""
    row = await chunk(conn, village, clock)
    await chunk(conn, village, clock, chunk=1, last=True)
    listed = (await api.get("nurse", f"/api/patients/{row.patient_id}/recordings")).json()
    (one,) = listed["recordings"]
    told = (one["recording"], one["chunks"], one["samples"], one["complete"], one["channels"])
    assert told == ("rec/1", 2, 4, True, ["I", "II"])
    assert one["device"] == "cuff1"
    whole = (await api.get("nurse", f"/api/recordings/{row.device_id}/rec%2F1")).json()
    assert {name: whole[name] for name in one} == one
    first, second = whole["parts"]
    assert first["data"] == {"I": [1, 1], "II": [1.5, 0.5]}
    assert second["data"]["I"] == [1, 1.005]
    assert (first["period_ms"], first["origin"], first["factor"]) == (500.0, 1.0, 0.005)
    assert (first["unit"], second["last"], whole["next_chunk"]) == ("mV", True, None)


async def test_a_recording_of_nobody_waits_to_be_given(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """Listed in the scope of its node; given as a whole, once, and taken back."""
    row = await chunk(conn, village, clock, patient_id=None)
    await chunk(conn, village, clock, chunk=1, last=True, patient_id=None)
    queue = "/api/unassigned/recordings"
    (one,) = (await api.get("nurse", queue)).json()["recordings"]
    assert (one["recording"], one["chunks"], one["patient_id"]) == ("rec/1", 2, None)
    assert (await api.get("stranger", queue)).json()["recordings"] == []
    zhang = village.patients["zhang"]
    body = {"node": row.node_id, "device": "cuff1", "recording": "rec/1", "patient_id": zhang}
    path = "/api/unassigned/assign-recording"
    assert (await api.post("stranger", path, body)).status_code == 404
    deed = (await api.post("nurse", path, body)).json()
    assert deed["chunks"] == 2
    assert (await api.get("nurse", queue)).json()["recordings"] == []
    (its,) = (await api.get("nurse", f"/api/patients/{zhang}/recordings")).json()["recordings"]
    assert (its["recording"], its["complete"]) == ("rec/1", True)
    assert (await api.post("nurse", path, body)).status_code == 409
    await api.post("nurse", f"/api/reassignments/{deed['id']}/undo", {})
    assert len((await api.get("nurse", queue)).json()["recordings"]) == 1


async def test_a_gap_shows(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """A recording with its end and without its middle is not complete."""
    row = await chunk(conn, village, clock)
    await chunk(conn, village, clock, chunk=2, last=True)
    listed = (await api.get("nurse", f"/api/patients/{row.patient_id}/recordings")).json()
    (one,) = listed["recordings"]
    assert (one["chunks"], one["last_chunk"], one["complete"]) == (2, 2, False)


async def test_a_long_recording_comes_in_pages(
    api: Caller,
    conn: Connection,
    village: Village,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many chunks as fit, at least one; `next_chunk` leads through all of them once."""
    monkeypatch.setattr(waves, "VALUES_A_PAGE", 9)
    for number in range(5):
        row = await chunk(conn, village, clock, chunk=number)
    seen, at = [], 0
    while at is not None:
        address = f"/api/recordings/{row.device_id}/rec%2F1?from_chunk={at}"
        page = (await api.get("nurse", address)).json()
        seen.append([part["chunk"] for part in page["parts"]])
        at = page["next_chunk"]
    assert seen == [[0, 1], [2, 3], [4]]


async def test_recordings_are_for_those_in_care(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """What is not in scope looks like what is not there; what nobody owns follows the node."""
    row = await chunk(conn, village, clock)
    await chunk(conn, village, clock, recording="loose", patient_id=None)
    for name, who, status in (
        ("rec%2F1", "nurse", 200),
        ("rec%2F1", "stranger", 404),
        ("loose", "nurse", 200),
        ("loose", "stranger", 404),
        ("nothing", "nurse", 404),
    ):
        answer = await api.get(who, f"/api/recordings/{row.device_id}/{name}")
        assert answer.status_code == status, (name, who)
    answer = await api.get("stranger", f"/api/patients/{row.patient_id}/recordings")
    assert answer.status_code == 404


async def test_diagnostics_are_listed_newest_first(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """Page by page, for whoever may see the node."""
    node_id = village.nodes["zhang"]
    rows = [
        DiagRow(
            node_id=node_id, received_at=clock.now(), at=None, boot=n, metrics={"heap": n},
            log=[{"t": None, "lvl": "info", "msg": "x"}],
        )
        for n in range(3)
    ]  # fmt: skip
    await node_diag.keep(conn, rows)
    page = (await api.get("nurse", f"/api/nodes/{node_id}/diag?limit=2")).json()
    assert [one["metrics"] for one in page["diag"]] == [{"heap": 2}, {"heap": 1}]
    assert page["diag"][0]["log"] == [{"t": None, "lvl": "info", "msg": "x"}]
    address = f"/api/nodes/{node_id}/diag?limit=2&before={page['next_before']}"
    last = (await api.get("nurse", address)).json()
    assert ([one["boot"] for one in last["diag"]], last["next_before"]) == ([0], None)
    assert (await api.get("stranger", f"/api/nodes/{node_id}/diag")).status_code == 404
