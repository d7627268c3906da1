"""Which units the broker lets in: every bound one, and of the others the newest."""

from datetime import UTC, datetime, timedelta

from store import claim, unit
from store.pool import Connection

NOW = datetime(2026, 3, 4, tzinfo=UTC)


async def add(conn: Connection, serial: str, minutes: int) -> None:
    """A unit that came in so many minutes after the first."""
    new = unit.NewUnit(serial=serial, maker=None, model=None, factory_secret=b"", code_mac=b"",
                       code_hash=f"hash of {serial}")  # fmt: skip
    await unit.add(conn, new, now=NOW + timedelta(minutes=minutes))


async def bind(conn: Connection, serial: str) -> int:
    """Somebody binds it."""
    await conn.execute("INSERT INTO area (level, name) VALUES ('county', 'x')")
    cursor = await conn.execute("SELECT max(id) FROM area")
    ((area_id,),) = await cursor.fetchall()
    return await claim.open_(conn, serial=serial, area_id=area_id, household_id=None,
                             patient_id=None, label="", opened_by="t", now=NOW)  # fmt: skip


async def asking(conn: Connection, unbound: int) -> list[str]:
    """The serials the broker lets in."""
    return [one.serial for one in await unit.may_ask(conn, unbound=unbound)]


async def test_a_shelf_full_of_units_does_not_keep_a_bound_one_out(conn: Connection) -> None:
    """Bound ones always get in, the others by age; completed and retired ones do not."""
    for number in range(5):
        await add(conn, f"SN-{number}", number)
    first = await bind(conn, "SN-0")
    assert await asking(conn, 2) == ["SN-0", "SN-3", "SN-4"]
    await unit.retire(conn, serial="SN-4", now=NOW)
    assert await asking(conn, 2) == ["SN-0", "SN-2", "SN-3"]
    await conn.execute("INSERT INTO node (id, area_id) SELECT 'node00000001', max(id) FROM area")
    await claim.issued(conn, first, node_id="node00000001", now=NOW)
    assert await asking(conn, 0) == ["SN-0"]
    await conn.execute(
        "INSERT INTO node_state (node_id, state, con, state_at, seen_at)"
        " VALUES ('node00000001', 'ready', 1, %s, %s)",
        (NOW, NOW + timedelta(seconds=1)),
    )
    assert [one.serial for one in await claim.complete_seen(conn, now=NOW)] == ["SN-0"]
    assert await asking(conn, 0) == []
    await claim.end(conn, first, now=NOW)
    assert await asking(conn, 9) == ["SN-0", "SN-1", "SN-2", "SN-3"]


async def test_ready_before_it_was_issued_completes_nothing(conn: Connection) -> None:
    """A node that was ready with earlier credentials has not shown that it has the new ones."""
    await add(conn, "SN-0", 0)
    bound = await bind(conn, "SN-0")
    await conn.execute("INSERT INTO node (id, area_id) SELECT 'node00000001', max(id) FROM area")
    await conn.execute(
        "INSERT INTO node_state (node_id, state, con, state_at, seen_at)"
        " VALUES ('node00000001', 'ready', 1, %s, %s)",
        (NOW, NOW),
    )
    later = NOW + timedelta(seconds=1)
    await claim.issued(conn, bound, node_id="node00000001", now=later)
    assert await claim.complete_seen(conn, now=later) == []
