"""Events: one row each, resends none, and a second emergency is never lost to a reused id."""

from datetime import timedelta
from typing import Any

from store import event
from store.event import EventRow
from store.pool import Connection
from tests.store.series import AT


def call(**given: Any) -> EventRow:
    """A call for the doctor, unless told otherwise."""
    usual: dict[str, Any] = {
        "node_id": "testnode1",
        "event_id": "e1",
        "type": "call_doctor",
        "severity": "critical",
        "patient_id": None,
        "occurred_at": AT,
        "clock": "ntp",
        "received_at": AT,
        "ref": None,
        "body": '{"id": "e1"}',
        "attempt": 1,
    }
    return EventRow(**(usual | given))


async def record(conn: Connection, *rows: EventRow) -> list[tuple[str, bool]]:
    """Record in its own transaction; (id, new) of each."""
    async with conn.transaction():
        return [(r.event_id, r.new) for r in await event.record(conn, rows)]


async def test_a_resend_is_the_same_event(conn: Connection) -> None:
    """Ten copies, in a batch and later, are one row."""
    assert await record(conn, *[call()] * 5) == [("e1", True)] + [("e1", False)] * 4
    later = AT + timedelta(minutes=9)
    assert await record(conn, call(received_at=later, attempt=4)) == [("e1", False)]
    assert await (await conn.execute("SELECT count(*) FROM event")).fetchone() == (1,)


async def test_answers_come_in_the_order_asked(conn: Connection) -> None:
    """A batch of several events of several nodes: each gets its own answer."""
    rows = [call(event_id="b"), call(node_id="testnode2"), call(event_id="a"), call(event_id="b")]
    assert await record(conn, *rows) == [("b", True), ("e1", True), ("a", True), ("b", False)]


async def test_a_reused_id_is_a_second_emergency(conn: Connection) -> None:
    """A device that always says `e1`: an hour later that is another call, told once."""
    await record(conn, call())
    later = call(occurred_at=AT + timedelta(hours=1))
    ((beside, new),) = await record(conn, later)
    assert new
    assert beside.startswith("e1~")
    assert await record(conn, later) == [(beside, False)]
    assert await record(conn, call()) == [("e1", False)]


async def test_another_type_under_the_same_id_is_another_event(conn: Connection) -> None:
    """A fall is not a resend of a call, whatever the id says."""
    await record(conn, call())
    ((_, new),) = await record(conn, call(type="fall"))
    assert new


async def test_counted_tries_are_resends_for_a_day(conn: Connection) -> None:
    """A device that keeps trying, and says so, does not open a second emergency."""
    await record(conn, call())
    trying = call(occurred_at=AT + timedelta(hours=3), attempt=30)
    assert await record(conn, trying) == [("e1", False)]


async def test_nothing_is_nothing(conn: Connection) -> None:
    """No events, no answers."""
    assert await record(conn) == []
