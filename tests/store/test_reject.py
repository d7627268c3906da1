"""Rejects: the bytes as they came, and a reason that any database takes; deprecated uses."""

import asyncio
from datetime import timedelta

import msgspec
from psycopg import AsyncConnection

from store import deprecation, reject
from store.deprecation import Seen, Use
from store.pool import Connection
from store.reject import RejectRow
from tests.store.series import AT


def row(**given: object) -> RejectRow:
    """A reject of rubbish."""
    usual = {
        "received_at": AT,
        "node_id": None,
        "topic": "hh/1/up/testnode1/obs",
        "boot": None,
        "seq": None,
        "code": "E2001",
        "path": "",
        "got": None,
        "reason": "not JSON",
        "payload": bytes(range(256)),
    }
    return RejectRow(**(usual | given))  # type: ignore[arg-type]


async def test_bytes_are_kept_as_they_came(conn: Connection) -> None:
    """Every byte value survives; text that no database takes is made harmless."""
    await reject.keep(conn, [row(got="a\x00b\ud800c", path="/\x00"), row(code="E1001")])
    cursor = await conn.execute("SELECT payload, got, path, code FROM reject ORDER BY id")
    first, second = await cursor.fetchall()
    assert first == (bytes(range(256)), "a\ufffdb?c", "/\ufffd", "E2001")
    assert second[3] == "E1001"


async def test_old_rejects_go(conn: Connection) -> None:
    """After ninety days somebody else has looked at it."""
    await reject.keep(conn, [row(), row(received_at=AT + timedelta(days=2))])
    assert await reject.prune(conn, before=AT + timedelta(days=1)) == 1
    await reject.keep(conn, [])


STEPS = {"code": "W1001", "place": "/ser/*/u", "detail": "unit 1 of steps is deprecated"}


async def two_nodes(conn: Connection) -> None:
    """Two nodes of one village."""
    await conn.execute("INSERT INTO area (level, name) VALUES ('village', 'v')")
    await conn.execute("INSERT INTO node (id, area_id) VALUES ('testnode1', 1), ('testnode2', 1)")


async def test_deprecated_uses_add_up(conn: Connection) -> None:
    """One row a node, product and use, also where the product is unknown; what nobody sends any
    more goes."""
    await two_nodes(conn)
    old = Use(node_id="testnode2", maker=None, model=None, firmware=None, **STEPS)
    new = msgspec.structs.replace(old, node_id="testnode1", maker="acme", firmware="2")
    later = AT + timedelta(days=1)
    await deprecation.note(conn, [(new, Seen(times=2, first_at=later, last_at=later))])
    await deprecation.note(
        conn, [(use, Seen(times=3, first_at=AT, last_at=AT)) for use in (new, old, new)][1:]
    )
    await deprecation.note(conn, [(old, Seen(times=1, first_at=later, last_at=later))])
    cursor = await conn.execute(
        "SELECT node_id, maker, times, first_at, last_at FROM deprecated_use ORDER BY node_id"
    )
    assert await cursor.fetchall() == [
        ("testnode1", "acme", 5, AT, later),
        ("testnode2", None, 4, AT, later),
    ]
    assert await deprecation.prune(conn, before=later) == 0
    assert await deprecation.prune(conn, before=later + timedelta(seconds=1)) == 2
    await deprecation.note(conn, [])


async def test_two_writers_of_the_same_uses_do_not_deadlock(conn: Connection) -> None:
    """The same rows in opposite orders, at the same time, again and again: every one counts."""
    await two_nodes(conn)
    once = Seen(times=1, first_at=AT, last_at=AT)
    uses = [
        (Use(node_id="testnode1", maker=None, model="G2", firmware=str(n), **STEPS), once)
        for n in range(300)
    ]

    async def write(line: Connection, order: int) -> None:
        for _ in range(10):
            await deprecation.note(line, uses[::order])

    dsn = f"{conn.info.dsn} password={conn.info.password}"
    async with await AsyncConnection.connect(dsn, autocommit=True) as other:
        await asyncio.gather(write(conn, 1), write(other, -1))
    cursor = await conn.execute("SELECT count(*), min(times), max(times) FROM deprecated_use")
    assert await cursor.fetchone() == (300, 20, 20)
