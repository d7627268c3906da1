"""Rows that TimescaleDB keeps in columns behave like all others: late, again, contested."""

from datetime import datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store import block, reassign, series
from store import deed as deeds
from store.deed import Deed, Load, Ref
from store.pool import Connection
from store.reading import ReadingRow
from store.series import Place
from tests.fixtures.factories import Factory
from tests.store.series import AT, block_row, reading_row
from tests.store.test_contested import outcome, said, write

LATER = AT + timedelta(days=9999)


async def in_columns(conn: Connection) -> None:
    """Every piece of both series into columns."""
    for table in ("reading", "block"):
        while await series.compress_before(conn, table, LATER):  # type: ignore[arg-type]
            pass


async def instants(conn: Connection) -> list[datetime]:
    """When the stored readings were measured."""
    cursor = await conn.execute("SELECT measured_at FROM reading ORDER BY 1")
    return [at for (at,) in await cursor.fetchall()]


async def test_late_rows_find_their_place(timescaledb: str, conn: Connection) -> None:
    """A duplicate is one; what is new is stored, once, and taken into the columns afterwards."""
    hours = timedelta(hours=1)
    await write(conn, *(reading_row(measured_at=AT + n * 24 * hours) for n in range(3)))
    await in_columns(conn)
    late = [reading_row(), reading_row(measured_at=AT + 3 * hours)]
    assert [change.n for change in await write(conn, *late)] == [1]
    assert await write(conn, *late) == []
    expected = [AT, AT + 3 * hours, AT + 24 * hours, AT + 48 * hours]
    assert await instants(conn) == expected
    (piece,) = await series.pieces(conn, "reading")
    assert (piece.columns, piece.late) == (True, True)
    await in_columns(conn)
    (piece,) = await series.pieces(conn, "reading")
    assert (piece.columns, piece.late) == (True, False)
    assert await instants(conn) == expected


async def test_blocks_too(timescaledb: str, conn: Connection) -> None:
    """The same dense series again is a duplicate, other samples under its identity are told."""
    for rows, expected in (
        ([block_row()], ([0], [])),
        ([block_row()], ([], [])),
        ([block_row(samples=[1.0]), block_row(part=1)], ([1], [0])),
    ):
        async with conn.transaction():
            written = await block.write(conn, rows)
        assert (written.inserted, written.differing) == expected
        await in_columns(conn)
    (count,) = await (await conn.execute("SELECT count(*) FROM block")).fetchone() or (0,)
    assert count == 2


async def batches(conn: Connection) -> dict[int, int]:
    """How many readings of each patient lie in columns."""
    (piece,) = await series.pieces(conn, "reading")
    query = f"SELECT patient_id, sum(_ts_meta_count) FROM {piece.name}_compressed GROUP BY 1"
    return dict(await (await conn.execute(query.encode())).fetchall())


SAID = st.lists(
    st.builds(
        said,
        st.sampled_from([120.0, 150.0, 190.0]),
        st.integers(0, 30),
        fix=st.booleans(),
        who=st.sampled_from([None, "A", "B"]),
    ),
    min_size=2,
    max_size=4,
    unique_by=lambda row: row.seq,
)


@given(rows=SAID)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_contested_in_columns_as_in_rows(
    timescaledb: str, conn: Connection, rows: list[ReadingRow]
) -> None:
    """Whether a month is in columns makes no difference to what holds and what stands beside."""
    outcomes = []
    for columns in (False, True):
        await conn.execute("TRUNCATE reading, reading_conflict, reading_history")
        # Company in the same batch of columns, which must stay as it is.
        await write(conn, *(reading_row(ordinal=n, sent_at=AT) for n in range(1, 5)))
        for row in rows:
            await write(conn, row)
            if columns:
                await in_columns(conn)
        company = await (
            await conn.execute("SELECT count(*), min(v0), max(v0) FROM reading WHERE ordinal > 0")
        ).fetchone()
        assert company == (4, 148.0, 148.0)
        await conn.execute("DELETE FROM reading WHERE ordinal > 0")
        outcomes.append(await outcome(conn))
    assert outcomes[0] == outcomes[1]


async def test_what_was_lifted_can_be_locked(timescaledb: str, conn: Connection) -> None:
    """A row in columns cannot be; lifted it can, and nothing is there twice."""
    await write(conn, *(reading_row(device_id=n, patient_id=n) for n in range(1, 4)))
    await write(conn, reading_row(device_id=9, patient_id=None))
    await in_columns(conn)
    places = [Place(2, "bp", AT, 0, 2), Place(9, "bp", AT, 0, None)]
    async with conn.transaction():
        await series.lift(conn, "reading", places)
        for n in (2, 9):
            query = "SELECT patient_id FROM reading WHERE device_id = %s FOR UPDATE"
            assert len(await (await conn.execute(query, (n,))).fetchall()) == 1
    cursor = await conn.execute("SELECT device_id FROM reading ORDER BY 1")
    assert [n for (n,) in await cursor.fetchall()] == [1, 2, 3, 9]


async def test_moving_to_another_patient_leaves_the_others_in_columns(
    timescaledb: str, conn: Connection
) -> None:
    """Only the batch with what is moved is opened, and afterwards every row is there once."""
    make = Factory(conn, AT)
    area = await make.area("Willow")
    one, other = await make.patient(area), await make.patient(area)
    days = [AT + n * timedelta(hours=6) for n in range(20)]
    for patient_id in (one, 1001, 1002):
        rows = [
            reading_row(device_id=patient_id, patient_id=patient_id, measured_at=at) for at in days
        ]
        await write(conn, *rows)
    await in_columns(conn)
    staff = (await make.staff(role="admin"))[0]
    deed = Deed(
        what="reassigned",
        staff_id=staff,
        at=AT,
        before=deeds.Place(patient_id=one),
        after=deeds.Place(patient_id=other),
    )
    refs = [Ref(one, "bp", at, 0) for at in days[:3]]
    async with conn.transaction():
        moved = await reassign.move(conn, deed, Load(readings=refs))
    assert moved.readings == 3
    query = "SELECT patient_id, count(*) FROM reading GROUP BY 1"
    found = dict(await (await conn.execute(query)).fetchall())
    assert found == {one: 17, other: 3, 1001: 20, 1002: 20}
    assert await batches(conn) == {1001: 20, 1002: 20}
