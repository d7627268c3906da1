"""Promise 27: rows that come late, into months that lie in columns by now (TimescaleDB) or into old
partitions (plain PostgreSQL): none is lost, none is doubled, none is changed by a bit."""

import json
import math
import os
import struct
from datetime import UTC, datetime, timedelta
from typing import Final

import cbor2
import pytest
import structlog

from contract import codec
from contract.errors import Refused
from store import block, reading, series
from store.block import BlockRow
from store.partition import Partitions, month_of
from store.pool import Connection
from store.reading import ReadingRow, Values
from tests.store.series import block_row, reading_row

_FULL: Final = os.environ.get("HEARTHBEAT_SCALE") == "full"
pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)] if _FULL else []
_ROWS: Final = 1_000_000 if _FULL else 1_000
_BATCH: Final = 5_000 if _FULL else 400
_LOG: Final = structlog.get_logger()
OLD: Final = datetime(2026, 3, 1, tzinfo=UTC)
LATER: Final = OLD + timedelta(days=10_000)
SECOND: Final = timedelta(seconds=1)
# What columns are made of is encoded by the bit: these broke encodings elsewhere.
EXTREME: Final = (
    *(1.7976931348623157e308, -1.7976931348623157e308, 5e-324, -5e-324, -0.0, 0.0),
    *(2.2250738585072014e-308, 0.1 + 0.2, 2.0**53 + 2, 1e16 + 2, 3.4e38, 1 / 3),
)
FLAT: Final = (3.4028234663852886e38, -3.4028234663852886e38, 1.401298464324817e-45, -0.0, None)


def pressure(n: int) -> ReadingRow:
    """One of fifty people, some second of two months, now and then with an extreme value."""
    values: Values = (120.0 + n % 60, 60.0 + n % 40, None, None)
    if n % 7 == 0:
        values = (EXTREME[n % len(EXTREME)], EXTREME[n // 7 % len(EXTREME)], None, values[0])
    at = OLD + n * (5_000_000 // _ROWS) * SECOND
    return reading_row(
        device_id=n % 50, patient_id=n % 50, measured_at=at, values=values, seq=n, sent_at=at
    )


def oximetry(n: int) -> BlockRow:
    """A minute of samples, some of them extreme, some missing."""
    samples = [FLAT[(n + at) % 5] if n % 3 == 0 else 90.0 + (n + at) % 10 for at in range(60)]
    at = OLD + n * (5_000_000 // _ROWS) * SECOND
    return block_row(device_id=n % 50, patient_id=n % 50, start_at=at, samples=samples, seq=n)


async def store(conn: Connection, numbers: range) -> int:
    """As ingest stores them, in batches; how many rows were new."""
    new = 0
    months = Partitions()
    for first in range(numbers.start, numbers.stop, numbers.step * _BATCH):
        batch = range(first, min(numbers.stop, first + numbers.step * _BATCH), numbers.step)
        rows = [pressure(n) for n in batch]
        blocks = [oximetry(n) for n in batch if n % 5 == 0]
        wanted = {month_of(row.measured_at) for row in rows}
        await months.ensure(conn, "reading", wanted)
        await months.ensure(conn, "block", wanted)
        async with conn.transaction():
            changes = await reading.write(conn, rows)
            assert {change.what for change in changes} <= {"inserted"}
            written = await block.write(conn, blocks)
            assert written.differing == []
        new += len(changes) + len(written.inserted)
    return new


def _bits(value: float | None) -> bytes:
    return b"" if value is None else struct.pack(">d", value)


async def as_it_was_said(conn: Connection) -> int:
    """How many rows there are; each, read back, is what was said, by the bit."""
    readings = blocks = 0
    async with conn.transaction(), conn.cursor("readings", binary=True) as cursor:
        await cursor.execute("SELECT seq, v0, v1, v3 FROM reading")
        async for seq, *found in cursor:
            said = pressure(seq).values
            assert [*map(_bits, found)] == [_bits(said[n]) for n in (0, 1, 3)], seq
            readings += 1
    async with conn.transaction(), conn.cursor("blocks", binary=True) as cursor:
        await cursor.execute("SELECT seq, samples FROM block")
        async for seq, samples in cursor:
            expected = [_single(value) for value in oximetry(seq).samples]
            assert [*map(_single, samples)] == expected, seq
            blocks += 1
    return readings + blocks


def _single(value: float | None) -> bytes:
    """A missing sample may be kept as NULL or as NaN."""
    return b"" if value is None or math.isnan(value) else struct.pack(">f", value)


async def compress(conn: Connection) -> int:
    """Everything into columns; how many pieces. None on plain PostgreSQL."""
    pieces = 0
    for table in ("reading", "block"):
        while await series.compress_before(conn, table, LATER):
            pieces += 1
    return pieces


async def decompress(conn: Connection) -> None:
    """Everything back into rows."""
    for table in ("reading", "block"):
        sql = f"SELECT decompress_chunk(chunk, true) FROM show_chunks('{table}') AS chunk"
        await conn.execute(sql.encode())


async def test_p27_late_rows_are_neither_lost_nor_changed(conn: Connection) -> None:
    """Every other row first, then into columns; the others late, with the first ones again; into
    columns once more, all of it again, and back into rows: the same rows at every step."""
    rows = _ROWS + len(range(0, _ROWS, 5))
    early, late = range(0, _ROWS, 2), range(1, _ROWS, 2)
    first = await store(conn, early)
    kept_in = await series.engine(conn)
    pieces = await compress(conn)
    assert (pieces > 0) is (kept_in == "timescaledb")
    assert await as_it_was_said(conn) == first
    assert first + await store(conn, late) == rows
    assert await store(conn, range(0, _ROWS, 10)) == 0
    assert await as_it_was_said(conn) == rows
    await compress(conn)
    assert await as_it_was_said(conn) == rows
    assert await store(conn, range(_ROWS - min(_ROWS, 20_000), _ROWS)) == 0
    if kept_in == "timescaledb":
        await decompress(conn)
        assert await as_it_was_said(conn) == rows
    _LOG.info("scale", promise=27, rows=rows, pieces=pieces, kept_in=kept_in)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e400])
def test_p27_what_is_no_number_does_not_get_there(value: float) -> None:
    """Neither in JSON nor in CBOR, neither as a reading nor as a sample."""
    for series_ in (
        {"k": "bp", "o": [0], "c": {"sys": [value], "dia": [60]}},
        {"k": "spo2", "dt": 1000, "y": [97, value]},
    ):
        said = {"v": 0, "boot": 1, "seq": 1, "t": 1_795_354_700_000, "clk": "ntp", "ser": [series_]}
        for payload in (json.dumps(said).encode(), cbor2.dumps(said)):
            with pytest.raises(Refused):
                codec.decode("obs", payload)


async def test_p27_a_server_with_timescaledb_is_tried_as_well(timescaledb: str) -> None:
    """Skipped, with the reason, where the tests run without one."""
    assert timescaledb
