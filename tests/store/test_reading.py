"""Readings: one row per identity, whatever is delivered, in whatever order."""

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

Rows = list[tuple[Any, ...]]


@pytest.fixture(autouse=True)
async def months(conn: Connection) -> None:
    """The month of the test's rows."""
    await with_months(conn)


async def write(conn: Connection, *rows: ReadingRow) -> list[Change]:
    """Write a batch in its own transaction."""
    async with conn.transaction():
        return await reading.write(conn, rows)


async def stored(conn: Connection, columns: str = "v0, v1", table: str = "reading") -> Rows:
    """What is in a table, in the order of its identity."""
    order = "device_id, kind, measured_at, ordinal"
    sql = f"SELECT {columns} FROM {table} ORDER BY {order}, {columns}"
    return await (await conn.execute(sql.encode())).fetchall()


def pressure(sys: float, **given: Any) -> ReadingRow:
    """A reading with this systolic pressure."""
    return reading_row(values=(sys, 80.0, None, None), **given)


async def test_every_field_is_kept(conn: Connection) -> None:
    """A row comes back as it went in."""
    row = reading_row(
        ordinal=-(2**62),
        values=(1e-300, -0.0, 1.7976931348623157e308, None),
        flags=2**30,
        clock="untrusted",
        claimed_at=AT - timedelta(days=20_000),
        who="r:0000000000000001",
        session_id="s1",
        context={"pos": "坐位", "session": {"n": 1, "done": 1}},
        original={"u": "kPa", "values": [19.7, None]},
        fix=True,
        seq=2**53,
        boot=2**32 - 1,
        sent_at=None,
        patient_id=None,
    )
    await write(conn, row)
    names = [name for name in row.__struct_fields__ if name != "values"]
    (found,) = await stored(conn, ", ".join(["v0", "v1", "v2", "v3", *names]))
    assert found[:4] == row.values
    assert list(found[4:]) == [getattr(row, name) for name in names]


async def test_the_same_again_changes_nothing(conn: Connection) -> None:
    """A duplicate, in the same batch or later, in any message, is no row and no change."""
    changes = await write(conn, pressure(148), pressure(148, seq=1))
    assert [(change.n, change.what) for change in changes] == [(0, "inserted")]
    assert await write(conn, pressure(148, seq=2)) == []
    assert await stored(conn) == [(148.0, 80.0)]


async def test_another_value_is_kept_beside_the_first(conn: Connection) -> None:
    """Without `fix` both stay: the first as the reading, the other as a conflict, told once."""
    await write(conn, pressure(148))
    changes = await write(conn, pressure(184, seq=1), pressure(120, ordinal=5))
    assert {(c.n, c.what, c.values[0]) for c in changes} == {
        (0, "conflicting", 184.0),
        (1, "inserted", 120.0),
    }
    assert await write(conn, pressure(184, seq=1)) == []
    assert await stored(conn) == [(148.0, 80.0), (120.0, 80.0)]
    assert await stored(conn, "v0, seq", "reading_conflict") == [(184.0, 1)]


async def test_other_flags_are_another_value(conn: Connection) -> None:
    """The same pressure with a flag is no duplicate: the flag may be what matters."""
    await write(conn, pressure(148))
    (change,) = await write(conn, pressure(148, flags=4, seq=1))
    assert change.what == "conflicting"


async def test_a_conflict_within_one_batch_is_kept(conn: Connection) -> None:
    """Two values of one identity in the same batch: neither vanishes."""
    changes = await write(conn, pressure(148), pressure(184, seq=1))
    assert [(c.n, c.what) for c in changes] == [(0, "inserted"), (1, "conflicting")]


async def test_a_correction_takes_the_place_and_leaves_a_trace(conn: Connection) -> None:
    """With `fix` the stored value is replaced; what it was is in the history."""
    await write(conn, pressure(148))
    fix = pressure(138, fix=True, seq=1, sent_at=AT + timedelta(minutes=1))
    (change,) = await write(conn, fix)
    assert (change.what, change.values[0], change.patient_id) == ("corrected", 138.0, 1)
    assert await stored(conn, "v0, fix, seq") == [(138.0, True, 1)]
    ((before, reason),) = await stored(conn, "before, reason", "reading_history")
    assert (before["values"][0], reason) == (148.0, "corrected")


async def test_an_older_correction_does_not_win(conn: Connection) -> None:
    """Of two corrections the one sent last holds, whichever arrives first."""
    await write(conn, pressure(148))
    late = pressure(130, fix=True, seq=2, sent_at=AT + timedelta(minutes=2))
    early = pressure(138, fix=True, seq=1, sent_at=AT + timedelta(minutes=1))
    await write(conn, late)
    assert await write(conn, early) == []
    assert await stored(conn, "v0, seq") == [(130.0, 2)]


async def test_what_was_corrected_before_it_came_is_no_conflict(conn: Connection) -> None:
    """The original that arrives after its correction goes to the history, nowhere else."""
    await write(conn, pressure(138, fix=True, seq=1, sent_at=AT + timedelta(minutes=1)))
    assert await write(conn, pressure(148)) == []
    assert await stored(conn) == [(138.0, 80.0)]
    assert await stored(conn, "v0", "reading_conflict") == []
    ((before,),) = await stored(conn, "before", "reading_history")
    assert before["values"][0] == 148.0


async def test_a_hand_made_assignment_survives_a_correction(conn: Connection) -> None:
    """A corrected value stays with the patient it was given to, unless the slot changes."""
    await write(conn, pressure(148, patient_id=None))
    await conn.execute("UPDATE reading SET patient_id = 9")
    (change,) = await write(conn, pressure(138, fix=True, seq=1, patient_id=None))
    assert change.patient_id == 9


async def test_a_corrected_slot_moves_the_reading(conn: Connection) -> None:
    """A correction of who was measured takes the reading from one patient and gives it another."""
    await write(conn, pressure(148, who="A", patient_id=1))
    changes = await write(conn, pressure(148, who="B", patient_id=2, fix=True, seq=1))
    assert [(c.what, c.patient_id) for c in changes] == [("withdrawn", 1), ("corrected", 2)]


async def test_corrections_in_any_order_end_alike(conn: Connection) -> None:
    """A value and its two corrections, delivered in every order, in one batch or three."""
    rows = [
        pressure(148),
        pressure(138, fix=True, seq=1, sent_at=AT + timedelta(minutes=1)),
        pressure(148, fix=True, seq=2, sent_at=AT + timedelta(minutes=2)),
    ]
    for at_once in (True, False):
        for order in permutations(rows):
            if at_once:
                await write(conn, *order)
            else:
                for row in order:
                    await write(conn, row)
            assert await stored(conn, "v0, seq, fix") == [(148.0, 2, True)], order
            assert await stored(conn, "v0", "reading_conflict") == []
            await conn.execute("DELETE FROM reading")


_ROWS = st.lists(
    st.builds(
        lambda minute, ordinal, patient: pressure(
            100.0 + minute + ordinal,
            measured_at=AT + timedelta(minutes=minute),
            ordinal=ordinal,
            patient_id=patient,
            seq=minute,
        ),
        st.integers(0, 6),
        st.integers(0, 2),
        st.sampled_from([1, None]),
    ),
    max_size=12,
)


@given(rows=_ROWS, data=st.data())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_duplicates_in_any_order_and_batches(
    conn: Connection, rows: list[ReadingRow], data: st.DataObject
) -> None:
    """Ten times over, shuffled, cut into batches anyhow: the same rows, each inserted once."""
    await conn.execute("TRUNCATE reading, reading_conflict")
    many = data.draw(st.permutations(rows * 10))
    inserted = 0
    while many:
        size = data.draw(st.integers(1, len(many)))
        changes = await write(conn, *many[:size])
        assert {change.what for change in changes} <= {"inserted"}
        inserted += len(changes)
        many = many[size:]
    identities = {(row.measured_at, row.ordinal, row.values[0]) for row in rows}
    assert inserted == len(identities)
    assert set(await stored(conn, "measured_at, ordinal, v0")) == identities
    assert await stored(conn, "v0", "reading_conflict") == []
