"""What becomes of a dose: said by the device, in any order, or found out by time alone."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from downlink import answers
from downlink.timers import miss_doses
from store import dose, feed, plan
from store.feed import AnswerItem, DoseItem
from store.pool import Connection
from tests.downlink.home import (
    NODE,
    SETTINGS,
    Home,
    answer,
    build,
    dose_state,
    drug,
    hear,
    node_is,
    one,
    plan_of,
    prescribe,
    rings,
    round_of,
    told,
)

# 19:00 in Shanghai; the dose is due at 20:00 (12:00 UTC), its window closes an hour later.
NOW = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
DUE = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CLOSES = DUE + timedelta(hours=1)
MINUTE = timedelta(minutes=1)


async def one_dose(conn: Connection) -> tuple[Home, str]:
    """A home with one drug in the evening; the id of today's dose."""
    home = await build(conn)
    item = await prescribe(conn, home, "20:00", now=NOW)
    await round_of(conn, NOW)
    return home, f"r{item}-20261122T2000"


@pytest.mark.parametrize(
    ("said", "becomes"),
    [
        ([("taken", 1)], "taken"),
        ([("received", -30), ("shown", 0), ("snoozed", 5), ("shown", 15), ("taken", 16)], "taken"),
        ([("skipped", 3)], "skipped"),
        ([("skipped", 3), ("taken", 9)], "taken"),
        ([("taken", 61)], "late_taken"),
        ([("missed", 60), ("late_taken", 90)], "late_taken"),
        ([("missed", 60)], "missed"),
        ([("taken", 1), ("missed", 60)], "taken"),
        ([("shown", 0), ("failed", 1)], "failed"),
        ([("shown", 0), ("a_word_of_a_newer_device", 1)], "shown"),
    ],
)
async def test_the_device_says_what_became_of_a_dose(
    conn: Connection, said: list[tuple[str, int]], becomes: str
) -> None:
    """In every order of arrival, and each said twice, the state is the same and all is kept."""
    _, dose_id = await one_dose(conn)
    answers = [answer(dose_id, state, DUE + minutes * MINUTE) for state, minutes in said]
    arrivals = list(itertools.permutations(answers))[:6]
    for order in arrivals:
        await hear(conn, *order, *order)
        await round_of(conn, CLOSES + timedelta(hours=2))
        assert await dose_state(conn, dose_id) == becomes
    kept = await dose.history_of(conn, dose_id)
    assert {(each.state, each.at) for each in kept} >= {(each.state, each.at) for each in answers}
    assert len(kept) <= len(answers) + 1


async def test_a_dose_taken_is_told_once_with_its_time(conn: Connection) -> None:
    """The feed carries the change once, however often the device repeats it."""
    home, dose_id = await one_dose(conn)
    taken = answer(dose_id, "taken", DUE + MINUTE)
    for _ in range(3):
        await hear(conn, taken)
        await round_of(conn, DUE + 2 * MINUTE)
    assert await told(conn, DoseItem) == [
        DoseItem(
            dose_id=dose_id,
            patient_id=home.patient_id,
            node_id=NODE,
            state="taken",
            due_at=DUE,
            at=DUE + MINUTE,
        )
    ]


async def test_the_feed_read_again_from_its_beginning_changes_nothing(conn: Connection) -> None:
    """Effects are idempotent: a consumer may be rebuilt."""
    _, dose_id = await one_dose(conn)
    await hear(conn, answer(dose_id, "skipped", DUE), answer(dose_id, "taken", DUE + MINUTE))
    await round_of(conn, DUE + 2 * MINUTE)
    before = await dose.history_of(conn, dose_id)
    await conn.execute("UPDATE feed_cursor SET position = 0 WHERE consumer = 'downlink'")
    await round_of(conn, DUE + 3 * MINUTE)
    assert await dose.history_of(conn, dose_id) == before
    assert await dose_state(conn, dose_id) == "taken"
    assert len(await told(conn, DoseItem)) == 2


async def test_a_node_speaks_only_for_its_own_doses(conn: Connection) -> None:
    """Another home's gateway cannot mark this dose as taken."""
    _, dose_id = await one_dose(conn)
    await hear(conn, answer(dose_id, "taken", DUE, node_id="gateway00002"))
    await round_of(conn, DUE)
    assert await dose_state(conn, dose_id) == "scheduled"
    assert await dose.history_of(conn, dose_id) == []


async def test_a_clock_that_is_ahead_does_not_make_a_dose_late(conn: Connection) -> None:
    """Taken cannot have happened after the hub heard of it."""
    _, dose_id = await one_dose(conn)
    far = datetime(2099, 1, 1, tzinfo=UTC)
    await hear(conn, answer(dose_id, "taken", far, received_at=DUE + MINUTE))
    await round_of(conn, DUE + 2 * MINUTE)
    assert await dose_state(conn, dose_id) == "taken"


async def test_safety_10_two_answers_for_one_dose_are_one_dose(conn: Connection) -> None:
    """Pressed on the robot and on the tablet: the first stands, the second is only kept."""
    _, dose_id = await one_dose(conn)
    await hear(
        conn,
        answer(dose_id, "taken", DUE + MINUTE),
        answer(dose_id, "taken", DUE + 3 * MINUTE, by="voice"),
    )
    await round_of(conn, DUE + 4 * MINUTE)
    kept = await dose.history_of(conn, dose_id)
    assert [(each.by, each.taken_over) for each in kept] == [("button", True), ("voice", False)]
    assert len(await told(conn, DoseItem)) == 1


async def test_an_answer_nobody_can_take_holds_up_no_other(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever one device says, the doses of all others are heard."""

    async def failing(*_: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(answers, "_plan_answered", failing)
    _, dose_id = await one_dose(conn)
    await hear(conn, answer("plan:1", "received", DUE), answer(dose_id, "taken", DUE))
    await round_of(conn, DUE + MINUTE)
    assert await dose_state(conn, dose_id) == "taken"


async def test_safety_10_a_changed_drug_never_asks_for_a_slot_already_taken(
    conn: Connection,
) -> None:
    """20:00 taken at 19:50, the dose changed at 19:55: the new item starts tomorrow."""
    home, dose_id = await one_dose(conn)
    await hear(conn, answer(dose_id, "taken", DUE - 10 * MINUTE))
    await round_of(conn, DUE - 9 * MINUTE)
    old = int(dose_id[1:].split("-")[0])
    new = await plan.change_item(
        conn, old, drug(home, "20:00"), staff_id=None, now=DUE - 5 * MINUTE
    )
    await round_of(conn, DUE - 5 * MINUTE)
    assert rings(await plan_of(conn))[0] == f"r{new}-20261123T2000"
    assert await dose_state(conn, dose_id) == "taken"


async def test_safety_10_an_answer_that_crosses_the_change_takes_the_slot_back(
    conn: Connection,
) -> None:
    """The old dose was taken while the change was on its way: the new one is withdrawn."""
    home, dose_id = await one_dose(conn)
    old = int(dose_id[1:].split("-")[0])
    new = await plan.change_item(
        conn, old, drug(home, "20:00"), staff_id=None, now=DUE - 5 * MINUTE
    )
    await round_of(conn, DUE - 5 * MINUTE)
    assert rings(await plan_of(conn))[0] == f"r{new}-20261122T2000"
    await hear(conn, answer(dose_id, "taken", DUE - 6 * MINUTE))
    await round_of(conn, DUE - 4 * MINUTE)
    assert await dose_state(conn, dose_id) == "taken", "what was taken outweighs what was planned"
    assert await dose_state(conn, f"r{new}-20261122T2000") == "withdrawn"
    assert rings(await plan_of(conn))[0] == f"r{new}-20261123T2000"
    status = await plan.plan_status(conn, NODE)
    assert status is not None
    assert (status.revision, status.edit_revision) == (3, 2)


async def test_safety_10_the_database_refuses_two_doses_for_one_slot(conn: Connection) -> None:
    """Whatever code does: one open dose for each item and instant."""
    home, dose_id = await one_dose(conn)
    with pytest.raises(Exception, match="one_dose_per_slot"):
        await conn.execute(
            "INSERT INTO dose SELECT 'twin', plan_item_id, patient_id, node_id, due_at,"
            " window_from, window_to FROM dose WHERE id = %s",
            (dose_id,),
        )
    assert await one(conn, "SELECT count(*) FROM dose WHERE patient_id = %s", home.patient_id) == 15


async def test_a_dose_without_an_answer_is_missed_after_its_grace(conn: Connection) -> None:
    """The device is there and silent: missed 15 min after the window, at the window's end."""
    _, dose_id = await one_dose(conn)
    await hear(conn, answer("plan:1", "received", NOW))
    await node_is(conn, "ready", NOW)
    await round_of(conn, CLOSES + 14 * MINUTE)
    assert await dose_state(conn, dose_id) == "scheduled"
    await round_of(conn, CLOSES + 16 * MINUTE)
    assert await dose_state(conn, dose_id) == "missed"
    (item,) = await told(conn, DoseItem)
    assert (item.state, item.at) == ("missed", CLOSES)
    (said,) = await dose.history_of(conn, dose_id)
    assert (said.by, said.why) == ("hub", "no_answer")


async def test_while_the_device_is_away_nothing_is_missed_for_a_day(conn: Connection) -> None:
    """Its person may have taken the dose; the device tells when it is back."""
    _, dose_id = await one_dose(conn)
    await hear(conn, answer("plan:1", "received", NOW))
    await node_is(conn, "lost", NOW)
    await round_of(conn, CLOSES + timedelta(hours=23))
    assert await dose_state(conn, dose_id) == "scheduled"
    await round_of(conn, CLOSES + timedelta(hours=25))
    assert await dose_state(conn, dose_id) == "missed"
    (said,) = await dose.history_of(conn, dose_id)
    assert said.why == "device_away"


async def test_a_device_that_is_back_has_the_grace_to_tell(conn: Connection) -> None:
    """Back five hours later: its kept answers have 15 min to arrive before anything is missed."""
    _, dose_id = await one_dose(conn)
    await node_is(conn, "lost", NOW)
    back = CLOSES + timedelta(hours=5)
    await node_is(conn, "ready", back, con=2)
    await node_is(conn, "ready", back + 10 * MINUTE, con=2)
    await round_of(conn, back + 14 * MINUTE)
    assert await dose_state(conn, dose_id) == "scheduled"
    await hear(conn, answer(dose_id, "taken", DUE + MINUTE, received_at=back + 14 * MINUTE))
    await round_of(conn, back + 16 * MINUTE)
    assert await dose_state(conn, dose_id) == "taken"
    assert [item.state for item in await told(conn, DoseItem)] == ["taken"]


async def test_safety_10_a_late_report_corrects_a_missed_dose(conn: Connection) -> None:
    """The report says when it was taken; the guess of the hub is kept in the history."""
    _, dose_id = await one_dose(conn)
    await node_is(conn, "ready", NOW)
    await round_of(conn, CLOSES + 16 * MINUTE)
    later = CLOSES + timedelta(days=2)
    await hear(conn, answer(dose_id, "taken", DUE + MINUTE, received_at=later))
    await round_of(conn, later)
    assert await dose_state(conn, dose_id) == "taken"
    about_it = [item.state for item in await told(conn, DoseItem) if item.dose_id == dose_id]
    assert about_it == ["missed", "taken"]
    assert [each.state for each in await dose.history_of(conn, dose_id)] == ["missed", "taken"]


async def test_a_dose_no_device_ever_held_says_so(conn: Connection) -> None:
    """Not the person's fault: the plan never reached the device."""
    _, dose_id = await one_dose(conn)
    await node_is(conn, "ready", NOW)
    await round_of(conn, CLOSES + 16 * MINUTE)
    (said,) = await dose.history_of(conn, dose_id)
    assert (said.state, said.why) == ("missed", "not_on_device")


async def test_missing_and_its_note_in_the_feed_are_one_transaction(conn: Connection) -> None:
    """A failure between the two leaves neither."""
    _, dose_id = await one_dose(conn)
    await node_is(conn, "ready", NOW)

    async def cut_short() -> None:
        async with conn.transaction():
            await miss_doses(conn, now=CLOSES + 16 * MINUTE, settings=SETTINGS)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await cut_short()
    assert await dose_state(conn, dose_id) == "scheduled"
    assert await told(conn, DoseItem) == []
    assert await feed.read_after(conn, 0) == []


async def test_an_answer_to_something_else_is_no_dose(conn: Connection) -> None:
    """An ad-hoc reminder's acknowledgement passes by."""
    await one_dose(conn)
    await hear(conn, answer("reminder-1", "taken", DUE))
    await round_of(conn, DUE)
    assert [item.id for item in await told(conn, AnswerItem)] == ["reminder-1"]
    assert await one(conn, "SELECT count(*) FROM dose_history") == 0


async def test_doses_of_a_patient_are_read_in_order(conn: Connection) -> None:
    """For the chart and for adherence."""
    home, dose_id = await one_dose(conn)
    found = await dose.of_patient(conn, home.patient_id, since=NOW, until=NOW + timedelta(days=2))
    assert [each.id for each in found] == [dose_id, dose_id.replace("1122", "1123")]


async def test_a_new_time_zone_moves_the_doses_to_come(conn: Connection) -> None:
    """Moved from Shanghai to Urumqi time: same ids, two hours later, none doubled."""
    home, dose_id = await one_dose(conn)
    await conn.execute(
        "INSERT INTO patient_time_zone VALUES (%s, %s, 'Asia/Urumqi')", (home.patient_id, NOW)
    )
    await plan.replan(conn, home.patient_id, now=NOW)
    await round_of(conn, NOW)
    found = await dose.of_patient(conn, home.patient_id, since=NOW, until=NOW + timedelta(days=1))
    assert [(each.id, each.due_at, each.state) for each in found] == [
        (dose_id, DUE + timedelta(hours=2), "scheduled")
    ]
    assert rings(await plan_of(conn)).count(dose_id) == 1
    assert (await plan_of(conn)).tz == "Asia/Urumqi"
    assert await told(conn, DoseItem) == []
