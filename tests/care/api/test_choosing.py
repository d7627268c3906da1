"""Two values of one reading: a person chooses, and nothing of either is lost."""

from datetime import timedelta

import msgspec

from runtime.clock import ManualClock
from store import feed
from store.feed import ReadingItem
from store.pool import Connection
from tests.care.api.conftest import Caller
from tests.care.api.measured import Measured
from tests.care.village import Village


async def test_a_choice_holds_and_the_other_is_history(
    api: Caller, conn: Connection, village: Village, measured: Measured, clock: ManualClock
) -> None:
    """The chosen value stands alone; what is delivered again changes nothing, a later correction
    of the device does."""
    zhang = village.patients["zhang"]
    path = f"/api/patients/{zhang}/readings"
    first = await measured.row(5, 148.0, 91.0)
    other = msgspec.structs.replace(first, values=(158.0, 91.0, None, None), seq=90)
    await measured.store(first)
    await measured.store(other)
    (told,) = (await api.get("nurse", path)).json()["readings"]
    conflict = told["conflicts"][0]["id"]
    clock.advance(60)
    choose = f"{path}/{told['id']}/choose"
    assert (await api.post("stranger", choose, {"conflict": conflict})).status_code == 404
    assert (await api.post("nurse", choose, {"conflict": conflict})).status_code == 200
    assert (await api.post("nurse", choose, {"conflict": conflict})).status_code == 409
    await measured.store(first)
    await measured.store(other)
    (now,) = (await api.get("nurse", path)).json()["readings"]
    assert (now["values"]["sys"], now["conflicts"], now["corrected"]) == (158, [], True)
    batches = await feed.read_after(conn, 0)
    items = [i for batch in batches for i in batch.items if isinstance(i, ReadingItem)]
    assert [(i.change, i.values[0], i.patient_id) for i in items] == [("corrected", 158.0, zhang)]
    history = (await api.get("nurse", f"{path}/{told['id']}/history")).json()["steps"]
    lost = [(s["by"], s["before"]["values"][0]) for s in history if s["by"]]
    assert lost == [("nurse", 148.0)]
    fixed = msgspec.structs.replace(
        first, values=(150.0, 90.0, None, None), seq=91, fix=True,
        sent_at=clock.now() + timedelta(seconds=1),
    )  # fmt: skip
    await measured.store(fixed)
    (last,) = (await api.get("nurse", path)).json()["readings"]
    assert (last["values"]["sys"], last["conflicts"]) == (150, [])


async def test_the_stored_value_may_be_the_right_one(
    api: Caller, village: Village, measured: Measured, clock: ManualClock
) -> None:
    """Null keeps it; without a contradiction there is nothing to choose."""
    zhang = village.patients["zhang"]
    path = f"/api/patients/{zhang}/readings"
    first = await measured.row(5, 148.0, 91.0)
    await measured.store(first)
    (told,) = (await api.get("nurse", path)).json()["readings"]
    choose = f"{path}/{told['id']}/choose"
    assert (await api.post("nurse", choose, {"conflict": None})).status_code == 409
    await measured.store(msgspec.structs.replace(first, values=(158.0, 91.0, None, None), seq=90))
    clock.advance(60)
    assert (await api.post("nurse", choose, {"conflict": None})).status_code == 200
    (now,) = (await api.get("nurse", path)).json()["readings"]
    assert (now["values"]["sys"], now["conflicts"]) == (148, [])
