"""One day of a whole province: how long until all of it is durable, and what it takes on disk.

    python benchmarks/bench_province.py [--share 0.01] [--nodes 2000] [--dir DIR]

A whole day is 40 million records, as fifteen thousand village clinics are said to send (share 1):
a tenth blood pressures, each a message, the rest samples of a pulse, sixty to a message. Broker,
database, ingest and generator share the machine. On the server of the wheel, or of
HEARTHBEAT_POSTGRES_BIN: with TimescaleDB the disk is told in columns too.
"""

import argparse
import asyncio
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench_ingest import FREELY, HEAD, line
from psycopg import AsyncConnection
from rig import Rig, rig

from runtime.log import configure
from store import series
from store.migrate import migrate
from store.pool import Connection

RECORDS = 40_000_000
# Of 23 messages 20 are pressures and 3 hold sixty samples: 200 records.
MESSAGES, PRESSURES, SAMPLES = 23, 20, 180
SOON = timedelta(days=99)


def a_day(made: Rig, share: float, nodes: int) -> None:
    """Send it, wait until all is settled, and print the time, the mix and the disk."""
    # Each node sends whole turns, so that the mix is exact.
    turns = max(1, round(RECORDS * share / (PRESSURES + SAMPLES) / nodes))
    messages = turns * MESSAGES * nodes
    pressures, samples = turns * PRESSURES * nodes, turns * SAMPLES * nodes
    made.people(nodes)
    print(f"{pressures + samples:,} records from {nodes:,} nodes: {pressures:,} pressures and")
    print(f"{samples:,} samples in blocks of 60, {messages:,} messages")
    result = made.run("ingest", messages, load={"shape": "day"}, **FREELY)
    print(HEAD + "\n" + line("all stored", result))
    print(f"{result.seconds:.1f} s: {(pressures + samples) / result.seconds:,.0f} records a second")
    asyncio.run(_disk(made.database.url, pressures, samples, messages))


async def _disk(url: str, pressures: int, samples: int, messages: int) -> None:
    options = "-c timezone=UTC"
    async with await AsyncConnection.connect(url, autocommit=True, options=options) as conn:
        version, extension = await series.server(conn)
        print(f"PostgreSQL {version}, {f'TimescaleDB {extension}' if extension else 'native'}")
        for table, number in (("reading", pressures), ("block", samples)):
            stored = await _stored(conn, table)
            assert stored == number, f"{stored} of {number} in {table}"
        await conn.execute("VACUUM ANALYZE reading, block, message")
        await _tell(conn, pressures, samples)
        held = await _bytes(conn, "message") / messages
        print(f"a message identity, kept for 60 days: {held:.0f} bytes")
        if extension:
            for table in ("reading", "block"):
                while await series.compress_before(conn, table, datetime.now(UTC) + SOON):
                    pass
            print("in columns: ", end="")
            await _tell(conn, pressures, samples)


async def _stored(conn: Connection, table: str) -> int:
    what = "count(*)" if table == "reading" else "sum(array_length(samples, 1))"
    row = await (await conn.execute(f"SELECT {what} FROM {table}".encode())).fetchone()
    return int(row[0]) if row else 0


async def _tell(conn: Connection, pressures: int, samples: int) -> None:
    reading, block = [await _bytes(conn, table) for table in ("reading", "block")]
    print(f"a reading {reading / pressures:.0f} bytes, a sample {block / samples:.1f} bytes")


async def _bytes(conn: Connection, table: str) -> int:
    """Of the table with its indexes and its pieces."""
    if table == "message":
        query = "SELECT pg_total_relation_size(%(table)s)"
    elif await series.engine(conn) == "timescaledb":
        query = "SELECT hypertable_size(%(table)s::regclass)"
    else:
        query = "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(%(table)s)"
    row = await (await conn.execute(query.encode(), {"table": table})).fetchone()
    return int(row[0]) if row else 0


def main(options: argparse.Namespace) -> None:
    """Measure and print."""
    configure("bench", "ERROR")
    with tempfile.TemporaryDirectory(dir=options.dir, ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        with rig(Path(home)) as made:
            asyncio.run(migrate(made.database.url))
            a_day(made, options.share, options.nodes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=0.01, help="of a whole day")
    parser.add_argument("--nodes", type=int, default=2_000)
    parser.add_argument("--dir", default=None, help="where the servers have their data for a while")
    main(parser.parse_args())
