"""What was measured over HTTP: values by part, order, pages, conflicts, blocks, loose ends."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from contract.identity import Sample, ordinals
from contract.vitals import FLAGS
from runtime.clock import ManualClock
from store import block, device
from store.block import BlockRow
from store.partition import Partitions, month_of
from store.pool import Connection
from tests.care.api.conftest import Caller
from tests.care.api.measured import Measured
from tests.care.village import Village


async def readings(api: Caller, village: Village, query: str = "") -> dict[str, Any]:
    """Zhang's readings as the doctor gets them."""
    path = f"/api/patients/{village.patients['zhang']}/readings{query}"
    answer = await api.get("doctor", path)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_reading_as_the_api_tells_it(
    api: Caller, village: Village, measured: Measured, clock: ManualClock
) -> None:
    """Values by the name of their part, canonical units, flags by name, who, when, how late."""
    row = await measured.row(
        3, 148.0, 91.0, None, 72.5, flags=FLAGS["ihb"].mask, who="A", context={"pos": "sitting"}
    )
    await measured.store(row)
    (told,) = (await readings(api, village, "?kind=bp"))["readings"]
    assert told["values"] == {"sys": 148, "dia": 91, "pr": 72.5}
    assert told["unit"] == "mm[Hg]"
    assert told["units"] == {"sys": "mm[Hg]", "dia": "mm[Hg]", "pr": "/min"}
    assert told["flags"] == ["ihb"]
    assert (told["device"], told["node"], told["who"]) == ("cuff1", village.nodes["zhang"], "A")
    assert told["measured_at"] == (clock.now() - timedelta(minutes=3)).isoformat()[:19] + "Z"
    assert told["late_s"] == 180
    assert told["context"] == {"pos": "sitting"}
    assert told["conflicts"] == []
    assert told["corrected"] is False


async def test_newest_first_in_pages_without_gap_or_repeat(
    api: Caller, village: Village, measured: Measured
) -> None:
    """`next_until` walks back to the beginning; readings of one instant are never split."""
    rows = [await measured.row(minutes, 120.0, 80.0) for minutes in range(6)]
    rows += [await measured.row(3, 130.0, 80.0, ordinal=n) for n in (1, 2)]
    await measured.store(*rows)
    seen: list[tuple[str, int | None]] = []
    until: str | None = ""
    while until is not None:
        page = await readings(api, village, f"?limit=2{until and f'&until={until}'}")
        seen += [(one["measured_at"], one["record"]) for one in page["readings"]]
        until = page["next_until"]
    assert len(seen) == len(set(seen)) == 8
    assert [at for at, _ in seen] == sorted((at for at, _ in seen), reverse=True)


async def test_only_the_number_of_the_device_is_its_record(
    api: Caller, village: Village, measured: Measured
) -> None:
    """The hub's own counting in the identity is nobody's record, and no number of JavaScript."""
    own = ordinals([Sample(0, 0, anchored=True)] * 2, record=7, place=(1, 0, 0))
    placed = ordinals([Sample(0, 0, anchored=False)], record=None, place=(1, 0, 0))
    told = (0, *own, *placed)
    await measured.store(
        *[await measured.row(n, 120.0, 80.0, ordinal=each) for n, each in enumerate(told)]
    )
    found = (await readings(api, village))["readings"]
    assert [one["record"] for one in found] == [None, 7, 7, None]


async def test_a_span_includes_its_start_and_not_its_end(
    api: Caller, village: Village, measured: Measured, clock: ManualClock
) -> None:
    """since <= measured < until; times may carry any zone, and must carry one."""
    await measured.store(*[await measured.row(minutes, 120.0, 80.0) for minutes in range(4)])
    first = (clock.now() - timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    last = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    found = await readings(api, village, f"?since={first}&until={last}")
    assert len(found["readings"]) == 2
    path = f"/api/patients/{village.patients['zhang']}/readings"
    naive = await api.get("doctor", f"{path}?since=2026-03-04T00:00:00")
    assert naive.status_code == 422
    assert naive.json()["errors"][0]["path"] == "/query/since"


async def test_conflicts_and_corrections_are_shown(
    api: Caller, village: Village, measured: Measured
) -> None:
    """Another value under the same identity is shown beside it; a correction says so."""
    first = await measured.row(5, 148.0, 91.0)
    other = msgspec.structs.replace(first, values=(158.0, 91.0, None, None), seq=90)
    fixed = await measured.row(9, 140.0, 80.0)
    better = msgspec.structs.replace(
        fixed,
        values=(141.0, 80.0, None, None),
        seq=91,
        fix=True,
        sent_at=fixed.received_at + timedelta(seconds=1),
    )
    await measured.store(first, fixed)
    await measured.store(other)
    await measured.store(better)
    newer, older = (await readings(api, village))["readings"]
    assert newer["values"]["sys"] == 148
    assert [c["values"]["sys"] for c in newer["conflicts"]] == [158]
    assert older["values"]["sys"] == 141
    assert older["corrected"] is True


async def test_blocks_have_nulls_for_missing_samples(
    api: Caller, conn: Connection, village: Village, clock: ManualClock
) -> None:
    """A dense series by part, with its end, and null where nothing was measured."""
    found = await device.find(conn, node_id=village.nodes["zhang"], dev="cuff1")
    assert found is not None
    start = clock.now()
    row = BlockRow(
        device_id=found.id,
        kind="spo2",
        start_at=start,
        part=0,
        step_ms=1000,
        samples=[97.0, None, 95.5],
        quality=None,
        patient_id=village.patients["zhang"],
        flags=FLAGS["motion"].mask,
        clock="untrusted",
        claimed_at=datetime(2020, 1, 1, tzinfo=UTC),
        who=None,
        context=None,
        node_id=village.nodes["zhang"],
        boot=7,
        seq=1,
        received_at=start,
    )
    await Partitions().ensure(conn, "block", {month_of(start)})
    async with conn.transaction():
        await block.write(conn, [row])
    path = f"/api/patients/{village.patients['zhang']}/blocks?kind=spo2"
    (told,) = (await api.get("doctor", path)).json()["blocks"]
    assert told["samples"] == [97, None, 95.5]
    assert (told["clock"], told["claimed_at"]) == ("untrusted", "2020-01-01T00:00:00Z")
    assert (told["part"], told["unit"], told["flags"]) == ("spo2", "%", ["motion"])
    assert told["end_at"] == (start + timedelta(seconds=3)).isoformat()[:19] + "Z"
    assert not any(isinstance(s, float) and math.isnan(s) for s in told["samples"])


async def test_every_look_at_a_patient_is_in_the_audit(
    api: Caller, conn: Connection, village: Village
) -> None:
    """Who looked at what of whom; a refused look leaves no line as if it had happened."""
    patient = village.patients["zhang"]
    for part in ("", "/readings", "/blocks", "/plan", "/doses", "/adherence", "/episodes"):
        assert (await api.get("nurse", f"/api/patients/{patient}{part}")).status_code == 200
        assert (await api.get("stranger", f"/api/patients/{patient}{part}")).status_code == 404
    cursor = await conn.execute(
        "SELECT staff_id, detail->>'what', address FROM audit WHERE action = 'view'"
        " AND subject_id = %s ORDER BY id",
        (str(patient),),
    )
    assert await cursor.fetchall() == [
        (village.staff["nurse"], what, "127.0.0.1")
        for what in ("patient", "readings", "blocks", "plan", "doses", "adherence", "episodes")
    ]
