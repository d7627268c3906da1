"""Indexes of large tables, built while others write: the files `*.online.sql` of the migrations.

Such a file holds `CREATE INDEX name ON table ...;` and comments, nothing else. Whatever is found
half done is finished or built anew, so it may be interrupted anywhere and run again.
"""

import re
from typing import NamedTuple

from psycopg.errors import UndefinedObject, UndefinedTable

from store.named import queries
from store.pool import Connection

_SQL = queries("online")

_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
_INDEX = re.compile(r"CREATE INDEX (\w+) ON (\w+) (.+?)( WHERE .+)?")


class Index(NamedTuple):
    """An index: `what` is its method and columns, `where` its condition or ''."""

    name: str
    table: str
    what: str
    where: str


def indexes(sql: str) -> list[Index]:
    """What a file asks for, in order. Raises ValueError for anything but indexes."""
    found = []
    for statement in filter(None, map(str.strip, _COMMENT.sub("", sql).split(";"))):
        match = _INDEX.fullmatch(" ".join(statement.split()))
        if match is None:
            raise ValueError(f"not an index that can be built online: {statement[:60]}")
        found.append(Index(match[1], match[2], match[3], match[4] or ""))
    return found


async def build(conn: Connection, index: Index) -> None:
    """Build it unless it is whole. Outside a transaction; the caller is the only one to build.

    Writers of a plain table or a partition never wait for the building; those of one chunk of a
    hypertable wait while that chunk is built. Raises psycopg's LockNotAvailable and
    DeadlockDetected: try again.
    """
    way = await _ask(conn, "way", index)
    if way == "partitions":
        await _by_partitions(conn, index)
    elif way == "chunks":
        await _by_chunks(conn, index)
    else:
        await _plainly(conn, index)


async def _ask(conn: Connection, query: str, index: Index) -> object:
    values = {"name": index.name, "table": index.table}
    row = await (await conn.execute(_SQL[query], values)).fetchone()
    return None if row is None else row[0]


async def _run(conn: Connection, patience: str, statement: str) -> None:
    await conn.execute(_SQL[patience])
    await conn.execute(statement.encode())


async def _plainly(conn: Connection, index: Index) -> None:
    state = await _ask(conn, "state", index)
    if state is False:
        await _run(conn, "patiently", f"DROP INDEX CONCURRENTLY {index.name}")
    if state is not True:
        create = f"CREATE INDEX CONCURRENTLY {index.name} ON {index.table}"
        await _run(conn, "patiently", f"{create} {index.what}{index.where}")


async def _by_chunks(conn: Connection, index: Index) -> None:
    state = await _ask(conn, "state", index)
    if state is False:
        await _run(conn, "briefly", f"DROP INDEX {index.name}")
    if state is not True:
        each = "WITH (timescaledb.transaction_per_chunk)"
        create = f"CREATE INDEX {index.name} ON {index.table} {index.what} {each}{index.where}"
        await _run(conn, "briefly", create)


async def _by_partitions(conn: Connection, index: Index) -> None:
    while (state := await _ask(conn, "state", index)) is not True:
        if state is None:
            # From here on a month that is made gets its part when it is attached.
            create = f"CREATE INDEX {index.name} ON ONLY {index.table}"
            await _run(conn, "briefly", f"{create} {index.what}{index.where}")
        elif child := await _ask(conn, "lacking", index):
            await _part(conn, index, str(child))
        else:
            # The last month that lacked it was dropped: nothing is left that would make it whole.
            await _run(conn, "briefly", f"DROP INDEX {index.name}")


async def _part(conn: Connection, index: Index, child: str) -> None:
    part = index._replace(name=f"{child}_{index.name}", table=child)
    try:
        await _plainly(conn, part)
        await _run(conn, "briefly", f"ALTER INDEX {index.name} ATTACH PARTITION {part.name}")
    except (UndefinedTable, UndefinedObject):
        # Retention dropped the month: there is one less to build.
        return
