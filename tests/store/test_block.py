"""Blocks: dense series, one row a column, nothing overwritten in silence."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from store import block
from store.block import BlockRow
from store.failure import UnavailableError
from store.line import Line
from store.partition import Partitions
from store.pool import Connection
from tests.store.series import AT, block_row, with_months

MILLISECOND = timedelta(milliseconds=1)


@pytest.fixture(autouse=True)
async def months(conn: Connection) -> None:
    """The month of the test's rows."""
    await with_months(conn)


async def write(conn: Connection, *rows: BlockRow) -> tuple[list[int], list[int]]:
    """Write a batch in its own transaction: the places of what was new, and of what differs."""
    async with conn.transaction():
        written = await block.write(conn, rows)
        await block.alone(conn, [row for _, row in written.stored])
    return written.inserted, written.differing


async def test_samples_come_back_with_their_gaps(conn: Connection) -> None:
    """Values, gaps, quality and context are kept."""
    row = block_row(quality=[100, None, 0, 50, 1], context={"site": "finger"}, patient_id=None)
    assert await write(conn, row) == ([0], [])
    cursor = await conn.execute("SELECT samples, quality, context, step_ms, patient_id FROM block")
    assert await cursor.fetchone() == (row.samples, row.quality, row.context, 1000, None)


async def test_the_same_again_changes_nothing(conn: Connection) -> None:
    """A duplicate is neither new nor different, also within a batch."""
    assert await write(conn, block_row(), block_row(seq=1)) == ([0], [])
    assert await write(conn, block_row(seq=2), block_row(part=1)) == ([1], [])


async def test_other_samples_are_reported(conn: Connection) -> None:
    """Different samples at the same start do not overwrite; the caller is told which."""
    await write(conn, block_row())
    other = block_row(samples=[80.0], seq=1)
    assert await write(conn, other) == ([], [0])
    cursor = await conn.execute("SELECT samples[1] FROM block")
    assert await cursor.fetchall() == [(97.0,)]


@pytest.mark.parametrize("cuts", [(2, 5), (5, 2), (2, 3, 5), (5, 3, 2), (3, 2, 5, 4)])
async def test_the_same_series_cut_elsewhere_is_no_contradiction(
    conn: Connection, cuts: tuple[int, ...]
) -> None:
    """A memory read anew, with more or fewer samples from the same start: each sample is there
    once, at its time, and nothing is told to contradict."""
    whole = block_row(quality=[100, None, 0, 50, 1])
    for seq, cut in enumerate(cuts):
        part = {"samples": whole.samples[:cut], "quality": (whole.quality or [])[:cut]}
        assert (await write(conn, block_row(seq=seq, **part)))[1] == []
    assert await write(conn, whole) == ([], [])
    cursor = await conn.execute(
        "SELECT start_at + (n - 1) * step_ms * interval '1 ms', value, q"
        " FROM block, unnest(samples, quality) WITH ORDINALITY AS s (value, q, n) ORDER BY 1"
    )
    second = timedelta(seconds=1)
    expected = zip(whole.samples, whole.quality or [], strict=True)
    assert await cursor.fetchall() == [(AT + n * second, *one) for n, one in enumerate(expected)]


async def samples(conn: Connection) -> dict[int, float | None]:
    """What is stored, by second; nothing is there twice."""
    found: dict[int, float | None] = {}
    cursor = await conn.execute("SELECT start_at, step_ms, samples FROM block")
    for start_at, step, values in await cursor.fetchall():
        for n, value in enumerate(values):
            second = ((start_at - AT) + n * step * MILLISECOND) // timedelta(seconds=1)
            assert second not in found, "stored twice"
            found[second] = value
    return found


def at(second: int, *values: float | None, **given: Any) -> BlockRow:
    """A dense series from that second on."""
    return block_row(start_at=AT + timedelta(seconds=second), samples=list(values), **given)


async def test_what_overlaps_from_another_start_is_there_once(conn: Connection) -> None:
    """Before, within, after and around what is stored: only what is new becomes a block."""
    assert await write(conn, at(10, 97, 96, None, 95)) == ([0], [])
    assert await write(conn, at(11, 96, None), at(9, 1, 97), at(13, 95, 2)) == ([1, 2], [])
    around = at(8, 0, 1, 97, 96, None, 95, 2, 3)
    assert await write(conn, around) == ([0], [])
    assert await write(conn, around, at(14, 2)) == ([], [])
    expected = dict(enumerate([0, 1, 97, 96, None, 95, 2, 3], 8))
    assert await samples(conn) == expected


async def test_what_contradicts_is_told_and_the_rest_of_it_is_new(conn: Connection) -> None:
    """Another value, other flags or another slot under an instant that is taken."""
    await write(conn, at(10, 97, 96))
    assert await write(conn, at(9, 1, 98, 96, 2)) == ([0], [0])
    assert await write(conn, at(11, 96, 2, 3, who="A")) == ([0], [0])
    assert await write(conn, at(8, 5, 1, flags=1)) == ([0], [0])
    expected = dict(enumerate([5, 1, 97, 96, 2, 3], 8))
    assert await samples(conn) == expected


async def test_other_steps_meet_at_some_instants_only(conn: Connection) -> None:
    """Twice as fast: every second sample is there. In between they are others."""
    await write(conn, at(0, 1, 3, 5, step_ms=2000))
    assert await write(conn, at(0, 1, 2, 3, 4, 5)) == ([0], [])
    assert await samples(conn) == {n: n + 1 for n in range(5)}
    between = block_row(start_at=AT + 500 * MILLISECOND, samples=[7, 7])
    assert await write(conn, between) == ([0], [])


async def test_too_many_pieces_are_told_and_not_made(conn: Connection) -> None:
    """A series nobody would cut by hand."""
    await write(conn, at(0, *[1] * 100, step_ms=2000))
    assert await write(conn, at(1, *[1] * 200)) == ([], [0])


async def test_a_series_longer_than_anybody_looks_back_is_several(conn: Connection) -> None:
    """Hours for five days: what overlaps its end is found."""
    hours = [float(n) for n in range(120)]
    assert await write(conn, at(0, *hours, step_ms=3_600_000)) == ([0], [])
    assert await write(conn, at(110 * 3600, *hours[110:], step_ms=3_600_000)) == ([], [])
    assert await samples(conn) == {n * 3600: n for n in range(120)}


async def test_the_tail_may_begin_in_the_next_month(conn: Connection) -> None:
    """What goes on after midnight of the last day is new, and no contradiction."""
    start = datetime(2026, 3, 31, 23, 59, 58, tzinfo=UTC)
    rows = [block_row(start_at=start, samples=[90.0 + n for n in range(cut)]) for cut in (2, 4)]
    await Partitions().ensure(conn, "block", set().union(*map(block.months_of, rows)))
    assert [await write(conn, row) for row in rows] == [([0], []), ([0], [])]
    cursor = await conn.execute("SELECT start_at, samples FROM block ORDER BY 1")
    first = datetime(2026, 4, 1, tzinfo=UTC)
    assert await cursor.fetchall() == [(start, [90.0, 91.0]), (first, [92.0, 93.0])]


async def test_of_an_untrusted_start_only_the_same_start_is_the_same(conn: Connection) -> None:
    """It is placed by its arrival: that it overlaps says nothing."""
    await write(conn, at(0, 1, 2, 3))
    assert await write(conn, at(1, 7, 7, clock="untrusted")) == ([0], [])
    assert await write(conn, at(1, 7, 8, clock="untrusted")) == ([], [0])
    assert await write(conn, at(1, 2, 3, 4)) == ([0], [0])


async def test_two_who_store_the_same_instants_at_once(conn: Connection, database_url: str) -> None:
    """Neither saw the other: the second to commit is told to try again, and finds it then."""
    await write(conn, at(100, 1))  # who makes a chunk of TimescaleDB is waited for
    other = Line(database_url, name="other")
    async with other.transaction() as theirs:
        await block.write(theirs, [at(0, 1, 2, 3)])
        await write(conn, at(1, 2, 3, 4))
        with pytest.raises(UnavailableError):
            await block.alone(theirs, [at(0, 1, 2, 3)])
        raise psycopg.Rollback
    await other.close()
    assert await write(conn, at(0, 1, 2, 3)) == ([0], [])
    assert await samples(conn) == {0: 1, 1: 2, 2: 3, 3: 4, 100: 1}


async def test_nothing_is_nothing(conn: Connection) -> None:
    """An empty batch is no statement."""
    assert await write(conn) == ([], [])
