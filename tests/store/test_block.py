"""Blocks: dense series, one row a column, nothing overwritten in silence."""

from datetime import timedelta

import pytest

from store import block
from store.block import BlockRow, Written
from store.pool import Connection
from tests.store.series import AT, block_row, with_months


@pytest.fixture(autouse=True)
async def months(conn: Connection) -> None:
    """The month of the test's rows."""
    await with_months(conn)


async def write(conn: Connection, *rows: BlockRow) -> Written:
    """Write a batch in its own transaction."""
    async with conn.transaction():
        return await block.write(conn, rows)


async def test_samples_come_back_with_their_gaps(conn: Connection) -> None:
    """Values, gaps, quality and context are kept."""
    row = block_row(quality=[100, None, 0, 50, 1], context={"site": "finger"}, patient_id=None)
    assert await write(conn, row) == Written([0], [])
    cursor = await conn.execute("SELECT samples, quality, context, step_ms, patient_id FROM block")
    assert await cursor.fetchone() == (row.samples, row.quality, row.context, 1000, None)


async def test_the_same_again_changes_nothing(conn: Connection) -> None:
    """A duplicate is neither new nor different, also within a batch."""
    assert await write(conn, block_row(), block_row(seq=1)) == Written([0], [])
    assert await write(conn, block_row(seq=2), block_row(part=1)) == Written([1], [])


async def test_other_samples_are_reported(conn: Connection) -> None:
    """Different samples at the same start do not overwrite; the caller is told which."""
    await write(conn, block_row())
    other = block_row(samples=[80.0], seq=1)
    assert await write(conn, other) == Written([], [0])
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
        assert (await write(conn, block_row(seq=seq, **part))).differing == []
    assert await write(conn, whole) == Written([], [])
    cursor = await conn.execute(
        "SELECT start_at + (n - 1) * step_ms * interval '1 ms', value, q"
        " FROM block, unnest(samples, quality) WITH ORDINALITY AS s (value, q, n) ORDER BY 1"
    )
    second = timedelta(seconds=1)
    expected = zip(whole.samples, whole.quality or [], strict=True)
    assert await cursor.fetchall() == [(AT + n * second, *one) for n, one in enumerate(expected)]


async def test_nothing_is_nothing(conn: Connection) -> None:
    """An empty batch is no statement."""
    assert await write(conn) == Written([], [])
