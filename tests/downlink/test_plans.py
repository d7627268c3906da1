"""Safety rule 10 on the hub's side: right person, right pill, and what the device really holds."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from downlink.answers import consume
from store import plan, revision
from store.feed import DoseItem
from store.plan import PlanRefused, plan_status
from store.pool import Connection
from tests.downlink.home import (
    NODE,
    add_patient,
    answer,
    bind,
    build,
    dose_state,
    drug,
    hear,
    holds,
    one,
    plan_of,
    prescribe,
    rings,
    round_of,
    told,
)

# A Sunday, 08:30 in Shanghai: the doses of 08:00 are past, those of 20:00 to come.
NOW = datetime(2026, 11, 22, 0, 30, tzinfo=UTC)


async def test_safety_10_a_plan_holds_at_least_14_days_and_is_renewed(conn: Connection) -> None:
    """Day by day the published plan reaches at least 14 days, with the same ids as before."""
    home = await build(conn)
    await prescribe(conn, home, "08:00", "20:00", now=NOW)
    seen: dict[str, int] = {}
    now = NOW
    for _ in range(60):
        await round_of(conn, now)
        message = await plan_of(conn)
        assert message.to >= (now + timedelta(days=14)).timestamp() * 1000
        for instant, dose_id in message.items[0].occ:
            assert seen.setdefault(dose_id, instant) == instant
        now += timedelta(hours=1)
    status = await plan_status(conn, NODE)
    assert status is not None
    assert 3 <= status.revision <= 5, "about one revision a day"
    assert status.edit_revision == 1, "a renewal is no edit"
    assert await one(conn, "SELECT count(*) FROM dose") == len(seen)


async def test_a_new_item_asks_for_nothing_that_was_due_before(conn: Connection) -> None:
    """Written down at 08:30, the dose of 08:00 of that day is not one."""
    home = await build(conn)
    item = await prescribe(conn, home, "08:00", "20:00", now=NOW)
    await round_of(conn, NOW)
    assert rings(await plan_of(conn))[0] == f"r{item}-20261122T2000"


async def test_the_message_is_complete(conn: Connection) -> None:
    """Texts in both languages, windows, slot, rule, zone: everything the device needs."""
    home = await build(conn)
    await prescribe(conn, home, "08:00", "20:00", now=NOW, who="A", window_after_s=7200)
    await round_of(conn, NOW)
    message = await plan_of(conn)
    (item,) = message.items
    assert (message.rev, message.tz, item.who, item.kind) == (1, "Asia/Shanghai", "A", "med")
    assert item.text == {
        "zh-CN": "请服用氨氯地平 1 片",
        "en": "Please take one amlodipine tablet",
    }
    assert item.win == (900, 7200)
    assert item.snooze == (600, 2)
    assert item.rrule == "FREQ=DAILY;BYHOUR=8,20;BYMINUTE=0"
    assert message.exp == message.to


async def test_safety_10_a_stopped_drug_is_withdrawn_from_the_device(conn: Connection) -> None:
    """Its doses to come are withdrawn and told, the next revision names only the other drug."""
    home = await build(conn)
    stopped = await prescribe(conn, home, "20:00", now=NOW)
    other = await prescribe(conn, home, "09:00", now=NOW)
    await round_of(conn, NOW)
    assert {item.rid for item in (await plan_of(conn)).items} == {f"r{stopped}", f"r{other}"}
    await plan.stop_item(conn, stopped, None, NOW + timedelta(hours=1))
    await round_of(conn, NOW + timedelta(hours=1))
    message = await plan_of(conn)
    assert [item.rid for item in message.items] == [f"r{other}"]
    assert message.rev == 2
    withdrawn = [item for item in await told(conn, DoseItem) if item.state == "withdrawn"]
    assert len(withdrawn) == 15
    assert {item.dose_id.split("-")[0] for item in withdrawn} == {f"r{stopped}"}
    states = await one(
        conn, "SELECT array_agg(DISTINCT state) FROM dose WHERE plan_item_id = %s", stopped
    )
    assert states == ["withdrawn"]


async def test_safety_10_stopping_the_last_drug_empties_the_device(conn: Connection) -> None:
    """The retained plan says: nothing; it is not just left behind."""
    home = await build(conn)
    item = await prescribe(conn, home, "20:00", now=NOW)
    await round_of(conn, NOW)
    await plan.stop_item(conn, item, None, NOW)
    await round_of(conn, NOW)
    assert (await plan_of(conn)).items == []
    assert (await plan_of(conn)).rev == 2


async def test_a_dose_that_rings_is_withdrawn_with_its_drug(conn: Connection) -> None:
    """Stopped at 20:05 while 20:00 is shown: it must not be taken any more."""
    home = await build(conn)
    item = await prescribe(conn, home, "20:00", now=NOW)
    await round_of(conn, NOW)
    later = datetime(2026, 11, 22, 12, 5, tzinfo=UTC)
    dose_id = f"r{item}-20261122T2000"
    await hear(conn, answer(dose_id, "shown", later))
    await round_of(conn, later)
    await plan.stop_item(conn, item, None, later)
    await round_of(conn, later)
    assert await dose_state(conn, dose_id) == "withdrawn"


async def test_a_snoozed_dose_survives_an_edit_of_another_item(conn: Connection) -> None:
    """What rings goes on under the same id in the next revision."""
    home = await build(conn)
    item = await prescribe(conn, home, "20:00", now=NOW)
    await round_of(conn, NOW)
    later = datetime(2026, 11, 22, 12, 5, tzinfo=UTC)
    dose_id = f"r{item}-20261122T2000"
    await hear(conn, answer(dose_id, "snoozed", later))
    await round_of(conn, later)
    await prescribe(conn, home, "07:00", now=later)
    await round_of(conn, later)
    assert rings(await plan_of(conn))[0] == dose_id
    await hear(conn, answer(dose_id, "taken", later + timedelta(minutes=10)))
    await round_of(conn, later + timedelta(minutes=11))
    await prescribe(conn, home, "06:00", now=later + timedelta(minutes=11))
    await round_of(conn, later + timedelta(minutes=11))
    assert dose_id not in rings(await plan_of(conn))


async def test_safety_10_edited_published_and_on_the_device_are_told_apart(
    conn: Connection,
) -> None:
    """Each step is visible; only the device's own word counts as being on the device."""
    home = await build(conn)
    assert await plan_status(conn, NODE) is None
    await prescribe(conn, home, "20:00", now=NOW)
    edited = await plan_status(conn, NODE)
    assert edited is not None
    assert (edited.edit, edited.published_edit, edited.revision) == (1, 0, 0)
    await round_of(conn, NOW)
    (row,) = await revision.waiting(conn, now=NOW)
    await revision.handed_over(conn, row, now=NOW)
    published = await plan_status(conn, NODE)
    assert published is not None
    assert (published.published_edit, published.revision) == (1, 1)
    assert published.published_at == NOW
    assert not published.on_device
    await hear(conn, answer("plan:1", "received", NOW))
    await round_of(conn, NOW)
    held = await plan_status(conn, NODE)
    assert held is not None
    assert held.on_device
    assert held.confirmed_revision == 1
    assert held.confirmed_until == held.holds_until


async def test_safety_10_an_edit_not_confirmed_in_10_minutes_is_found(conn: Connection) -> None:
    """It is a work item to telephone; a renewal that an absent device has not seen is not."""
    home = await build(conn)
    await prescribe(conn, home, "20:00", now=NOW)
    await round_of(conn, NOW)
    minutes = timedelta(minutes=1)
    assert await plan.unconfirmed(conn, now=NOW + 10 * minutes) == []
    late = await plan.unconfirmed(conn, now=NOW + 11 * minutes)
    assert [status.node_id for status in late] == [NODE]
    assert late[0].unconfirmed(NOW + 11 * minutes)
    await hear(conn, answer("plan:1", "received", NOW + 12 * minutes))
    await round_of(conn, NOW + 12 * minutes)
    assert await plan.unconfirmed(conn, now=NOW + 13 * minutes) == []
    await round_of(conn, NOW + timedelta(days=3))
    assert (await plan_of(conn)).rev == 2
    assert await plan.unconfirmed(conn, now=NOW + timedelta(days=3, hours=1)) == []


async def test_safety_10_less_than_48_hours_left_on_the_device_is_found(conn: Connection) -> None:
    """The device has been away since the first revision: its plan runs out, not the hub's."""
    home = await build(conn)
    await prescribe(conn, home, "20:00", now=NOW)
    await round_of(conn, NOW)
    await hear(conn, answer("plan:1", "received", NOW))
    day = timedelta(days=1)
    for days in range(1, 13):
        await round_of(conn, NOW + days * day)
    assert await plan.running_out(conn, now=NOW + 12 * day) == []
    await round_of(conn, NOW + 13.5 * day)
    (found,) = await plan.running_out(conn, now=NOW + 13.5 * day)
    assert found.node_id == NODE
    assert found.device_holds_until == NOW + 15 * day


async def test_a_device_that_lost_its_plan_gets_it_again(conn: Connection) -> None:
    """It reports an older revision: sent again; if it still does, it no longer counts as held."""
    home = await build(conn)
    for at in ("20:00", "09:00"):
        await prescribe(conn, home, at, now=NOW)
        await round_of(conn, NOW)
    (row,) = await revision.waiting(conn, now=NOW)
    await revision.handed_over(conn, row, now=NOW)
    await hear(conn, answer("plan:2", "received", NOW))
    minute = timedelta(minutes=1)
    await hear(conn, holds(1, NOW + minute))
    await round_of(conn, NOW + minute)
    (again,) = await revision.waiting(conn, now=NOW + minute)
    assert (again.revision, again.body) == (2, row.body)
    status = await plan_status(conn, NODE)
    assert status is not None
    assert status.on_device
    await revision.handed_over(conn, again, now=NOW + minute)
    await hear(conn, holds(1, NOW + 2 * minute))
    await round_of(conn, NOW + 2 * minute)
    status = await plan_status(conn, NODE)
    assert status is not None
    assert (status.confirmed_revision, status.on_device) == (1, False)
    await hear(conn, holds(2, NOW + 3 * minute))
    await round_of(conn, NOW + 3 * minute)
    status = await plan_status(conn, NODE)
    assert status is not None
    assert status.on_device


async def test_a_hub_restored_from_an_old_copy_overtakes_the_device(conn: Connection) -> None:
    """The device holds revision 40, the database knows 1: the next one is 41, not ignored."""
    home = await build(conn)
    await prescribe(conn, home, "20:00", now=NOW)
    await round_of(conn, NOW)
    await hear(conn, holds(40, NOW))
    await round_of(conn, NOW)
    assert (await plan_of(conn)).rev == 41
    await hear(conn, holds(2**53, NOW))
    await round_of(conn, NOW)
    assert (await plan_of(conn)).rev == 41, "a broken number is not followed"


async def test_safety_10_two_people_on_one_node_need_a_slot(conn: Connection) -> None:
    """Without a slot the wrong person could be told to take the pill."""
    home = await build(conn)
    await prescribe(conn, home, "20:00", now=NOW)
    wife = await add_patient(conn, home.area_id, "1")
    with pytest.raises(PlanRefused) as refused:
        await prescribe(conn, home, "21:00", now=NOW, patient_id=wife)
    assert refused.value.reason == "not_of_this_node"
    await bind(conn, wife, dev="cuff2")
    with pytest.raises(PlanRefused) as refused:
        await prescribe(conn, home, "21:00", now=NOW, patient_id=wife)
    assert refused.value.reason == "who_needed"
    await prescribe(conn, home, "21:00", now=NOW, patient_id=wife, who="B")
    await round_of(conn, NOW)
    assert [item.who for item in (await plan_of(conn)).items] == [None, "B"]


async def test_the_slot_of_the_binding_is_used(conn: Connection) -> None:
    """Whose item it is need not be typed where the device already knows."""
    home = await build(conn)
    wife = await add_patient(conn, home.area_id, "1")
    await bind(conn, wife, dev="cuff2", who="B")
    await prescribe(conn, home, "21:00", now=NOW, patient_id=wife)
    (item,) = await plan.items_of(conn, wife)
    assert item.who == "B"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"times": ()}, "bad_item"),
        ({"times": (time(8, 0, 30),)}, "bad_item"),
        ({"times": (time(8), time(8))}, "bad_item"),
        ({"weekdays": (0,)}, "bad_item"),
        ({"weekdays": ()}, "bad_item"),
        ({"ends_on": date(2025, 1, 1)}, "bad_item"),
        ({"text_zh": "药" * 201}, "bad_item"),
    ],
)
async def test_an_item_that_cannot_ring_is_refused(
    conn: Connection, wrong: dict[str, object], reason: str
) -> None:
    """Refused with its reason, and nothing is kept."""
    home = await build(conn)
    with pytest.raises(PlanRefused) as refused:
        await plan.add_item(conn, drug(home, "08:00", **wrong), staff_id=None, now=NOW)
    assert refused.value.reason == reason
    assert await plan.items_of(conn, home.patient_id) == []
    assert await plan_status(conn, NODE) is None


async def test_a_plan_stays_one_message(conn: Connection) -> None:
    """Sixty doses a day fit into one packet; more are refused."""
    home = await build(conn)
    hours = [f"{hour:02}:{minute:02}" for hour in range(4) for minute in (1, 31)]
    for _ in range(7):
        await prescribe(conn, home, *hours, now=NOW, text_zh="药" * 200, text_en="m" * 200)
    with pytest.raises(PlanRefused) as refused:
        await prescribe(conn, home, *hours, now=NOW)
    assert refused.value.reason == "too_many_doses"
    await round_of(conn, NOW)
    assert await one(conn, "SELECT length(body) FROM plan") < 65_536


async def test_an_item_is_stopped_once(conn: Connection) -> None:
    """Stopping twice, or what never was, is refused with its reason."""
    home = await build(conn)
    item = await prescribe(conn, home, "20:00", now=NOW)
    await plan.stop_item(conn, item, None, NOW)
    for wrong, reason in ((item, "already_stopped"), (item + 1, "unknown_item")):
        with pytest.raises(PlanRefused) as refused:
            await plan.stop_item(conn, wrong, None, NOW)
        assert refused.value.reason == reason


async def test_one_broken_plan_does_not_hold_up_the_feed(conn: Connection) -> None:
    """Answers about plans and doses nobody knows are passed over, and the cursor moves on."""
    await build(conn)
    await hear(
        conn,
        answer("plan:7", "received", NOW),
        answer("plan:not-a-number", "received", NOW),
        answer("plan:9999999999999999999999999", "received", NOW),
        answer("no-such-dose", "taken", NOW),
    )
    assert await consume(conn, now=NOW) == 1
    assert await consume(conn, now=NOW) == 0
