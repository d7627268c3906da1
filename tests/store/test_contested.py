"""What is said of one reading, in any order, in any batches: the same outcome."""

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store import reading
from store.pool import Connection
from store.reading import Change, ReadingRow
from tests.store.series import AT, reading_row, with_months


@pytest.fixture(autouse=True)
async def months(conn: Connection) -> None:
    """The month of the test's rows."""
    await with_months(conn)


def said(sys: float, minute: int, *, fix: bool = False, who: str | None = None) -> ReadingRow:
    """A pressure said at that minute of the day, in a message of its own."""
    return reading_row(
        values=(sys, 80.0, None, None),
        fix=fix,
        who=who,
        patient_id={None: 1, "A": 2, "B": 3}[who],
        sent_at=AT + timedelta(minutes=minute),
        seq=minute,
    )


async def write(conn: Connection, *rows: ReadingRow) -> list[Change]:
    """A batch in its own transaction."""
    async with conn.transaction():
        return await reading.write(conn, rows)


async def outcome(conn: Connection) -> dict[str, Any]:
    """What holds, what stands beside it and what is history; without a correction the first value
    to come holds, so then all of them together."""
    cursor = await conn.execute(b"SELECT v0, who, patient_id, fix FROM reading")
    (holds,) = await cursor.fetchall()
    cursor = await conn.execute(b"SELECT v0, who, patient_id FROM reading_conflict")
    beside = sorted(await cursor.fetchall(), key=repr)
    cursor = await conn.execute(b"SELECT before->'values'->>0, before->>'who' FROM reading_history")
    past = {(float(v0), who) for v0, who in await cursor.fetchall()} - {holds[:2]}
    if not holds[3]:
        return {"said": sorted([holds[:3], *beside], key=repr), "past": past}
    return {"holds": holds, "beside": beside, "past": past}


async def run(conn: Connection, batches: list[list[ReadingRow]]) -> dict[str, Any]:
    """The outcome of these batches on an empty table."""
    await conn.execute("TRUNCATE reading, reading_conflict, reading_history")
    for batch in batches:
        await write(conn, *batch)
    return await outcome(conn)


SAID = st.lists(
    st.builds(
        said,
        st.sampled_from([120.0, 150.0, 190.0]),
        st.integers(0, 30),
        fix=st.booleans(),
        who=st.sampled_from([None, "A", "B"]),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda row: row.seq,
)


@given(rows=SAID, data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_what_holds_does_not_depend_on_the_order(
    conn: Connection, rows: list[ReadingRow], data: st.DataObject
) -> None:
    """Values and corrections of several people, some repeated later by other messages."""
    expected = await run(conn, [[row] for row in rows])
    many = data.draw(st.permutations([*rows, *rows]))
    cut = data.draw(st.integers(1, len(many)))
    batches = [many[at : at + cut] for at in range(0, len(many), cut)]
    assert await run(conn, batches) == expected


async def test_a_value_repeated_by_other_messages_stands_beside_once(conn: Connection) -> None:
    """A meter whose memory is read ten times: one contradiction, told once."""
    await write(conn, said(148, 0))
    changes = [await write(conn, said(184, minute)) for minute in range(1, 11)]
    assert [change.what for batch in changes for change in batch] == ["conflicting"]
    assert (await outcome(conn))["said"] == [(148.0, None, 1), (184.0, None, 1)]


async def test_an_old_value_read_again_after_its_correction_is_no_contradiction(
    conn: Connection,
) -> None:
    """The meter still has it in its memory; the correction knew of it. One line of history."""
    await write(conn, said(148, 0))
    await write(conn, said(138, 5, fix=True))
    for minute in range(6, 12):
        assert await write(conn, said(148, minute)) == []
    found = await outcome(conn)
    assert found == {"holds": (138.0, None, 1, True), "beside": [], "past": {(148.0, None)}}
    cursor = await conn.execute(b"SELECT count(*) FROM reading_history")
    assert await cursor.fetchone() == (1,)


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_a_value_first_said_after_a_correction_stands_beside_it(
    conn: Connection, order: tuple[int, ...]
) -> None:
    """148, corrected to 138, and then 190 is said: whatever comes first, 190 is not hidden."""
    rows = [said(148, 0), said(138, 5, fix=True), said(190, 9)]
    assert await run(conn, [[rows[at]] for at in order]) == {
        "holds": (138.0, None, 1, True),
        "beside": [(190.0, None, 1)],
        "past": {(148.0, None)},
    }


async def test_whose_it_was_said_to_be_is_part_of_what_is_said(conn: Connection) -> None:
    """The same pressure claimed for two people: the second claim is not dropped in silence."""
    await write(conn, said(210, 0, who="A"))
    (change,) = await write(conn, said(210, 1, who="B"))
    assert (change.what, change.patient_id) == ("conflicting", 3)
    assert await write(conn, said(210, 2, who="B"), said(210, 3, who="A")) == []


async def test_two_other_values_in_one_message_are_both_kept(conn: Connection) -> None:
    """Three series of one message that claim the same place."""
    one = said(120, 1)
    await write(conn, one)
    at = AT + timedelta(minutes=7)
    again = [reading_row(values=(v, 80.0, None, None), sent_at=at) for v in (150.0, 190.0)]
    assert [change.what for change in await write(conn, *again)] == ["conflicting"] * 2


async def test_a_correction_to_what_stood_beside_leaves_nothing_beside(conn: Connection) -> None:
    """The correction says which of two was right; whoever lost a value is told of it."""
    await write(conn, said(148, 0, who="A"), said(184, 1, who="B"))
    changes = await write(conn, said(184, 5, fix=True, who="B"))
    assert [(c.what, c.patient_id) for c in changes] == [
        ("uncontested", 3),
        ("withdrawn", 2),
        ("corrected", 3),
    ]
    assert (await outcome(conn))["beside"] == []


@pytest.mark.parametrize("owner", [9, None])
async def test_what_contradicts_a_reading_that_was_given_away_goes_with_it(
    conn: Connection, owner: int | None
) -> None:
    """A person said whose it is, or that nobody here is; the binding says otherwise. Another slot
    stays who it was said to be."""
    await write(conn, said(148, 0, who="A"), said(150, 1, who="B"))
    await conn.execute("UPDATE reading SET patient_id = %s", (owner,))
    (change,) = await write(conn, said(184, 2, who="A"))
    assert (change.what, change.patient_id) == ("conflicting", owner)
    (change,) = await write(conn, said(186, 3, who="B"))
    assert change.patient_id == 3
    beside = (await outcome(conn))["said"]
    assert {one[:1] + one[2:] for one in beside} == {(148, owner), (150, 3), (184, owner), (186, 3)}


async def test_what_was_said_before_a_correction_goes_where_the_reading_was_given(
    conn: Connection,
) -> None:
    """It came late and is history at once: of the patient whose reading it is."""
    await write(conn, said(138, 5, fix=True))
    await conn.execute("UPDATE reading SET patient_id = 9")
    assert await write(conn, said(148, 0)) == []
    cursor = await conn.execute("SELECT before->'patient_id' FROM reading_history")
    assert await cursor.fetchall() == [(9,)]
