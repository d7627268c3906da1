"""Dashboards' queries on more and more readings, and what a reading and a sample take on disk.

    .venv/bin/python benchmarks/bench_queries.py [--rows 100000,1000000,10000000] [--dir DIR]

On the server of the wheel, or of HEARTHBEAT_POSTGRES_BIN: with TimescaleDB the same on hypertables,
old months in columns. 10,000 patients measure twice a day; more rows are more days.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from psycopg import AsyncConnection

from runtime.postgres_server import PostgresServer
from store import aggregate, chart, partition, retention, series
from store.latest import latest
from store.migrate import migrate
from store.partition import Partitions
from store.pool import Connection

NOW: Final = datetime(2026, 6, 15, tzinfo=UTC)
PATIENTS: Final = 10_000
DAY: Final = timedelta(days=1)

READINGS = """
INSERT INTO reading (device_id, kind, measured_at, patient_id, v0, v1, v3, clock, node_id, boot,
    seq, sent_at, received_at)
SELECT p, 'bp', at, p, 110 + p %% 30 + (random() * 20)::int, 70 + p %% 15 + (random() * 10)::int,
    60 + (random() * 25)::int, 'ntp', 'node' || p, 1, h, at, at + interval '300 ms'
FROM generate_series(%(first)s::int, %(last)s::int) AS h,
    generate_series(1, %(patients)s) AS p,
    LATERAL (SELECT %(now)s::timestamptz - h * interval '12 hours' - p %% 7200 * interval '1 s'
                    - random() * interval '1 hour' AS at) AS of
"""
DAYS = """
INSERT INTO reading_day (patient_id, kind, day, n, left_out, low0, low1, low3, high0, high1, high3,
    mean0, mean1, mean3, first_at, last_at)
SELECT patient_id, kind, (measured_at AT TIME ZONE 'Asia/Shanghai')::date, count(*), 0, min(v0),
    min(v1), min(v3), max(v0), max(v1), max(v3), avg(v0), avg(v1), avg(v3), min(measured_at),
    max(measured_at)
FROM reading GROUP BY 1, 2, 3 ON CONFLICT DO NOTHING
"""
BLOCKS = """
INSERT INTO block (device_id, kind, start_at, part, step_ms, samples, patient_id, clock, node_id,
    boot, seq, received_at)
SELECT p, 'spo2', %(now)s::timestamptz - m * interval '1 minute', part, 1000,
    (SELECT array_agg(v) FROM (
        SELECT (CASE part WHEN 0 THEN 95 + (random() * 3)::int
                          ELSE 70 + ((m + p) %% 60) / 10 + (random() * 3)::int END)::real AS v
        FROM generate_series(1, 60)) AS s),
    p, 'ntp', 'node' || p, 1, m, %(now)s
FROM generate_series(1, 20) AS p, generate_series(1, 1440) AS m, generate_series(0, 1) AS part
"""


def main(options: argparse.Namespace) -> None:
    """Load, ask, print; once a size."""
    with tempfile.TemporaryDirectory(dir=options.dir, ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        server = PostgresServer(Path(home) / "postgres")
        server.start()
        try:
            asyncio.run(_on(server.url, options.rows))
        finally:
            server.stop()


async def _on(url: str, sizes: list[int]) -> None:
    await migrate(url)
    options = "-c timezone=UTC"
    async with await AsyncConnection.connect(url, autocommit=True, options=options) as conn:
        await _measure(conn, sizes)


async def _measure(conn: Connection, sizes: list[int]) -> None:
    version, extension = await series.server(conn)
    print(f"PostgreSQL {version}, {f'TimescaleDB {extension}' if extension else 'native'}")
    print(f"{'readings':>12} {'load s':>8} {'B/reading':>10} {'columns':>8}"
          f" {'latest of 10,000':>17} {'30 days of one':>15} {'year by day':>12}")  # fmt: skip
    for size in sizes:
        took = await _load(conn, size)
        plain = await _bytes(conn, "reading")
        await _columns(conn)
        after = await _bytes(conn, "reading")
        await conn.execute("VACUUM ANALYZE")
        times = [await _time(query, conn) for query in (_latest, _month, _year)]
        print(f"{size:>12,} {took:>8.1f} {plain / size:>10.0f} {after / size:>8.0f}"
              f" {times[0]:>14.1f} ms {times[1]:>12.2f} ms {times[2]:>9.2f} ms")  # fmt: skip
    await _blocks(conn)


async def _load(conn: Connection, size: int) -> float:
    # All anew: a late row into columns is another matter.
    await conn.execute("TRUNCATE reading")
    began = time.monotonic()
    last = size // PATIENTS - 1
    since = NOW - (last + 5) * DAY / 2
    await Partitions().ensure(conn, "reading", _months(since))
    for start in range(0, last + 1, 20):
        span = {"first": start, "last": min(last, start + 19)}
        await conn.execute(READINGS, span | {"patients": PATIENTS, "now": NOW})
    took = time.monotonic() - began
    await conn.execute("TRUNCATE reading_day")
    await conn.execute(DAYS)
    return took


def _months(since: datetime) -> set[partition.Month]:
    months = {partition.month_of(since)}
    while max(months).first < NOW + DAY:
        months.add(max(months).following)
    return months


async def _columns(conn: Connection) -> None:
    while await retention.make_columns(conn, retention.Kept(), now=NOW):
        pass


async def _bytes(conn: Connection, table: str) -> int:
    """Of the table with its indexes and partitions or chunks."""
    if await series.engine(conn) == "timescaledb":
        query = "SELECT hypertable_size(%(table)s::regclass)"
    else:
        query = """SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(%(table)s)"""
    rows = await (await conn.execute(query.encode(), {"table": table})).fetchall()
    return int(rows[0][0])


async def _time(query: Callable[[Connection, int], Awaitable[Any]], conn: Connection) -> float:
    """Median of some, in milliseconds, each about another patient; the first is not counted."""
    times = []
    for n in range(8):
        began = time.monotonic()
        found = await query(conn, 7 + n * 1001)
        times.append((time.monotonic() - began) * 1000)
        assert found
    return statistics.median(times[1:])


async def _latest(conn: Connection, _: int) -> Any:
    everybody = range(1, PATIENTS + 1)
    return await latest(conn, patient_ids=everybody, kind="bp", since=NOW - 365 * DAY)


async def _month(conn: Connection, patient_id: int) -> Any:
    return await chart.pressures(conn, patient_id=patient_id, since=NOW - 30 * DAY, until=NOW)


async def _year(conn: Connection, patient_id: int) -> Any:
    return await aggregate.days(
        conn, patient_id=patient_id, kind="bp", since=date(2025, 6, 15), until=date(2026, 6, 16)
    )


async def _blocks(conn: Connection) -> None:
    """What dense series take: a day of 20 people, 60 samples a row, two parts."""
    await Partitions().ensure(conn, "block", _months(NOW - 2 * DAY))
    await conn.execute(BLOCKS, {"now": NOW})
    samples = 20 * 1440 * 60 * 2
    plain = await _bytes(conn, "block")
    while await series.compress_before(conn, "block", NOW + 99 * DAY):
        pass
    print(f"a sample in a block of 60: {plain / samples:.1f} bytes", end="")
    if await series.engine(conn) == "timescaledb":
        print(f", in columns {await _bytes(conn, 'block') / samples:.1f}", end="")
    again = "INSERT INTO aggregate_again (series, since, until) VALUES ('block', %s, %s)"
    await conn.execute(again, (NOW - 2 * DAY, NOW))
    began = time.monotonic()
    while await aggregate.advance_again(conn):
        pass
    marked = time.monotonic()
    hours = 0
    while done := await aggregate.refresh_hours(conn, kept_since=NOW - 90 * DAY):
        hours += done
    took = time.monotonic() - marked
    rows = await (
        await conn.execute("SELECT pg_total_relation_size('block_hour'), count(*) FROM block_hour")
    ).fetchall()
    minutes = int(rows[0][1]) * 60
    print(f"; a minute of the aggregate: {rows[0][0] / minutes:.1f} bytes,"
          f" {took / samples * 1e6:.2f} µs a sample to compute ({hours} hours,"
          f" marked in {marked - began:.1f} s)")  # fmt: skip


def _sizes(text: str) -> list[int]:
    return sorted(int(size) for size in text.split(","))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=_sizes, default=[100_000, 1_000_000])
    parser.add_argument("--dir", default=None, help="where the server has its data for a while")
    main(parser.parse_args())
