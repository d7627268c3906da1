"""Rejects: the bytes as they came, and a reason that any database takes."""

from datetime import timedelta

from store import reject
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
