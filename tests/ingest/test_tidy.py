"""What is kept for how long: nothing younger is ever dropped, and what is open is kept."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from ingest.tidy import Tidy
from runtime.clock import ManualClock
from store import block, horizon, message, reading, reject, retention, series, wave
from store.failure import UnavailableError
from store.line import Line
from store.message import Incoming, Key
from store.partition import Partitions, month_of
from store.pool import Connection
from tests.fixtures.factories import Factory
from tests.store.series import block_row, reading_row
from tests.store.test_reject import row as reject_row
from tests.store.test_wave import row as chunk_row

NOW = datetime(2026, 9, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
AGES = (1, 6, 8, 59, 61, 89, 91, 150, 364, 366, 1000)


@pytest.fixture
async def tidy(database_url: str) -> AsyncIterator[Tidy]:
    """Tidies up as of NOW."""
    line = Line(database_url, name="test")
    async with line.transaction() as conn:
        await horizon.reached(conn, otherwise=NOW)
        await horizon.move(conn, NOW)
    tidy = Tidy(line, clock=ManualClock(NOW), every_s=60)
    yield tidy
    await line.close()


async def something_of_every_age(conn: Connection) -> None:
    """A reading, a block, a message, a reject and a recording of each age, in days."""
    ages = [NOW - age * DAY for age in AGES]
    for table in ("reading", "block"):
        await Partitions().ensure(conn, table, {month_of(at) for at in ages})  # type: ignore[arg-type]
    async with conn.transaction():
        await reading.write(conn, [reading_row(measured_at=at) for at in ages])
        await block.write(conn, [block_row(start_at=at) for at in ages])
        await message.take(
            conn, [Incoming(Key("n", 1, n), "obs", n, at) for n, at in enumerate(ages)]
        )
        await reject.keep(conn, [reject_row(received_at=at) for at in ages])
        chunks = [chunk_row(recording=str(n), started_at=at) for n, at in enumerate(ages)]
        await wave.write(conn, chunks)


async def ages(conn: Connection, table: str, column: str) -> list[int]:
    """How old the rows of a table are, in days, youngest first."""
    cursor = await conn.execute(f"SELECT {column} FROM {table} ORDER BY 1 DESC".encode())
    return [(NOW - at).days for (at,) in await cursor.fetchall()]


async def test_each_kind_has_its_time(conn: Connection, tidy: Tidy) -> None:
    """Readings stay for ever; the others go when their days are over, not before."""
    await something_of_every_age(conn)
    await tidy.round()
    assert await ages(conn, "reading", "measured_at") == list(AGES)
    assert await ages(conn, "message", "received_at") == [a for a in AGES if a < 60]
    assert await ages(conn, "reject", "received_at") == [a for a in AGES if a < 90]
    assert await ages(conn, "wave_chunk", "started_at") == [a for a in AGES if a < 365]
    # By whole months or weeks.
    blocks = await ages(conn, "block", "start_at")
    assert blocks[:6] == [a for a in AGES if a < 90]
    assert max(blocks) < 90 + 31


async def test_the_waveforms_of_an_episode_stay(conn: Connection, tidy: Tidy) -> None:
    """All of a patient with an open episode; of a closed one what lies within a day of it."""
    make = Factory(conn, NOW)
    area = await make.area("Willow")
    ill, well = await make.patient(area), await make.patient(area)
    old = NOW - 500 * DAY
    await make.episode(ill, None, onset_at=NOW - 400 * DAY)
    closed = {"state": "closed", "closed_at": old + DAY, "outcome": "other", "onset_at": old}
    await make.episode(well, None, **closed)
    recordings = {"ill": (ill, old), "within": (well, old), "long after": (well, old + 9 * DAY)}
    for name, (patient_id, at) in recordings.items():
        await wave.write(conn, [chunk_row(recording=name, patient_id=patient_id, started_at=at)])
    await tidy.round()
    cursor = await conn.execute("SELECT recording FROM wave_chunk ORDER BY 1")
    assert [name for (name,) in await cursor.fetchall()] == ["ill", "within"]


async def test_one_thing_that_stays_keeps_no_other(conn: Connection, tidy: Tidy) -> None:
    """Rejects cannot be deleted: everything else is forgotten all the same, and it is told."""
    await something_of_every_age(conn)
    await conn.execute(
        "CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '53100'; END $$;"
        "CREATE TRIGGER stay BEFORE DELETE ON reject EXECUTE FUNCTION stay()"
    )
    with pytest.raises(UnavailableError, match="53100"):
        await tidy.round()
    assert await ages(conn, "message", "received_at") == [a for a in AGES if a < 60]
    assert await ages(conn, "reject", "received_at") == list(AGES)
    await conn.execute("DROP FUNCTION stay() CASCADE")
    await tidy.round()
    assert await ages(conn, "reject", "received_at") == [a for a in AGES if a < 90]


async def test_the_feed_is_forgotten_in_portions(conn: Connection) -> None:
    """However much a consumer left behind: a part at a time, and only what is a week old."""
    await conn.execute(
        "INSERT INTO batch (id, kind, payload, items, committed_at)"
        " SELECT n, 'x', '', 1, now() - make_interval(days => 20 - n) FROM generate_series(1, 19) n"
    )
    await conn.execute("INSERT INTO feed_cursor (consumer, position) VALUES ('test', 12)")
    now = datetime.now(UTC)
    numbers = [await retention.forget_feed(conn, now=now, limit=5) for _ in range(4)]
    assert numbers == [5, 5, 2, 0]


async def test_old_stretches_become_columns(timescaledb: str, conn: Connection, tidy: Tidy) -> None:
    """Where TimescaleDB is there, once their time in rows is over; every row is still there."""
    await something_of_every_age(conn)
    await tidy.round()
    pieces = await series.pieces(conn, "reading")
    assert [p.columns for p in pieces] == [p.until <= NOW - 30 * DAY for p in pieces]
    assert any(piece.columns for piece in pieces)
    assert await ages(conn, "reading", "measured_at") == list(AGES)
