"""States: a will of an earlier connection says nothing about this one."""

from datetime import timedelta
from typing import Any

import pytest

from store import node_state
from store.node_state import StateRow
from store.pool import Connection
from tests.store.series import AT


@pytest.fixture(autouse=True)
async def node(conn: Connection) -> None:
    """The node of the states."""
    await conn.execute("INSERT INTO area (level, name) VALUES ('village', 'a village')")
    await conn.execute("INSERT INTO node (id, area_id) VALUES ('testnode1', 1)")


def said(state: str, con: int, **given: Any) -> StateRow:
    """A state of the node."""
    usual: dict[str, Any] = {
        "node_id": "testnode1",
        "state": state,
        "con": con,
        "boot": 1,
        "battery": None,
        "subs": {},
        "plan_revision": None,
        "state_at": AT,
        "seen_at": AT,
        "live": True,
    }
    return StateRow(**(usual | given))


async def stored(conn: Connection, columns: str = "state, con") -> Any:
    """What is stored of the node."""
    cursor = await conn.execute(f"SELECT {columns} FROM node_state".encode())
    return await cursor.fetchone()


async def test_an_old_will_is_ignored(conn: Connection) -> None:
    """A `lost` of connection 7 does not make connection 8 lost; that of connection 8 does."""
    rows = [said("ready", 7), said("ready", 8), said("lost", 7, boot=None)]
    assert await node_state.take_over(conn, rows) == [True, True, False]
    assert await stored(conn) == ("ready", 8)
    assert await node_state.take_over(conn, [said("lost", 8, boot=None)]) == [True]
    assert await stored(conn) == ("lost", 8)


async def test_what_a_will_does_not_say_stays(conn: Connection) -> None:
    """A `lost` knows no battery, boot, plan or sub-devices: the last known ones stay."""
    full = said("ready", 1, battery=80, subs={"cuff1": "ready"}, plan_revision=42)
    await node_state.take_over(conn, [full, said("lost", 1, boot=None)])
    columns = "state, boot, battery, subs, plan_revision"
    assert await stored(conn, columns) == ("lost", 1, 80, {"cuff1": "ready"}, 42)


@pytest.mark.parametrize(
    ("row", "taken"),
    [
        (said("ready", 1, boot=2), True),
        (said("ready", 1, boot=1), False),
        (said("ready", 1, boot=2, live=False), False),
        (said("lost", 1, boot=2), False),
        (said("ready", 1, boot=None), False),
    ],
    ids=["restarted", "same boot", "kept by the broker", "a will", "no boot"],
)
async def test_a_node_that_lost_its_count_starts_again(
    conn: Connection, row: StateRow, taken: bool
) -> None:
    """A lower counter counts only when a node says live that it has restarted."""
    await node_state.take_over(conn, [said("ready", 88)])
    assert await node_state.take_over(conn, [row]) == [taken]


async def test_being_heard_of_is_noted(conn: Connection) -> None:
    """Any message moves the time a node was last heard of, forward only."""
    await node_state.take_over(conn, [said("ready", 1)])
    later = AT + timedelta(minutes=5)
    await node_state.touch(conn, ["testnode1", "unknown1"], at=later)
    await node_state.touch(conn, ["testnode1"], at=AT)
    assert await stored(conn, "seen_at") == (later,)
