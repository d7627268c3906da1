"""Readings that people move: the old owner's episodes are worked out again, the new one's begin."""

from datetime import timedelta

from alerts.engine import Engine
from care.people import assigning
from care.people.assigning import Actor, Move
from runtime.clock import ManualClock
from store.deed import Load, Ref
from tests.alerts.home import Home


async def moved(home: Home, clock: ManualClock, move: Move) -> int:
    """All readings of the cuff that are where the move takes them from."""
    cursor = await home.conn.execute(
        b"SELECT device_id, kind, measured_at, ordinal FROM reading"
        b" WHERE patient_id IS NOT DISTINCT FROM %s",
        (move.before.patient_id,),
    )
    refs = [Ref(*row) for row in await cursor.fetchall()]
    by = Actor(staff_id=home.staff[0], address=None, at=clock.now())
    await home.conn.execute(b"UPDATE staff SET role = 'admin' WHERE id = %s", (by.staff_id,))
    async with home.conn.transaction():
        return (await assigning.carry_out(home.conn, by, move, Load(refs))).id


async def test_safety_05_what_nobody_owned_becomes_somebodys(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """The episode on the device is withdrawn with a trace, the patient's opens with the same
    reading: somebody is told of whom it is."""
    await home.bp(205, 122, patient=None)
    await engine.cycle()
    (on_device,) = await home.episodes("severe_pressure")
    assert (on_device["patient_id"], on_device["state"]) == (None, "open")
    clock.advance(120)
    await moved(home, clock, assigning.to_patient(home.patient))
    await engine.cycle()
    before, after = sorted(await home.episodes("severe_pressure"), key=lambda e: e["id"])
    assert (before["state"], before["outcome"]) == ("closed", "withdrawn")
    assert ("update", "evidence_corrected") in await home.history(before["id"])
    assert (after["patient_id"], after["state"], after["late"]) == (home.patient, "open", False)
    assert before["evidence"][0]["key"] == after["evidence"][0]["key"]


async def test_of_the_wrong_person_it_leaves_them_and_is_taken_back(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """The wrong patient's episode is withdrawn, the right one's opens; undone, the first stands
    after all and the second is withdrawn."""
    sister = await home.make.patient(home.area, "sister", team_id=home.team)
    await home.bp(205, 122)
    await engine.cycle()
    number = await moved(home, clock, assigning.from_patient(home.patient, sister))
    await engine.cycle()
    states = {e["patient_id"]: e["state"] for e in await home.episodes("severe_pressure")}
    assert states == {home.patient: "closed", sister: "open"}
    by = Actor(staff_id=home.staff[0], address=None, at=clock.now())
    async with home.conn.transaction():
        assert await assigning.undo(home.conn, by, number) is not None
    await engine.cycle()
    states = {e["patient_id"]: e["state"] for e in await home.episodes("severe_pressure")}
    assert states == {home.patient: "open", sister: "closed"}


async def test_safety_01_given_to_somebody_a_day_later_it_pages_nobody(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """For the patient it became known when it was given: over 24 h old, it is for the worklist."""
    measured = clock.now()
    await home.bp(205, 122, patient=None)
    await engine.cycle()
    clock.advance(timedelta(hours=30).total_seconds())
    told = await home.told()
    await moved(home, clock, assigning.to_patient(home.patient))
    await engine.cycle()
    (theirs,) = [e for e in await home.episodes("severe_pressure") if e["patient_id"]]
    assert (theirs["tier"], theirs["onset_at"]) == (0, measured)
    assert len(await home.told()) == len(told)


async def test_safety_05_set_aside_it_stays_on_the_device(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """A visitor in danger is in danger: the alarm stays for a person to close."""
    await home.bp(205, 122, patient=None)
    await engine.cycle()
    await moved(home, clock, assigning.set_aside("visitor"))
    await engine.cycle()
    (on_device,) = await home.episodes("severe_pressure")
    assert on_device["state"] == "open"
