"""Who is who: nodes, their devices, whom they measure."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from store import identity
from store.identity import BirthRow, Declared
from store.pool import Connection
from tests.store.series import AT


@pytest.fixture(autouse=True)
async def nodes(conn: Connection) -> None:
    """Two nodes, one of them revoked, with a bound cuff."""
    await conn.execute(
        """
        INSERT INTO area (level, name) VALUES ('village', 'a village');
        INSERT INTO patient (name, area_id, pseudonym) VALUES ('p', 1, 'r:0000000000000001');
        INSERT INTO node (id, area_id, revoked_at)
            VALUES ('testnode1', 1, NULL), ('testnode2', 1, '2026-01-01');
        INSERT INTO device (node_id, dev) VALUES ('testnode1', 'cuff1');
        INSERT INTO device_binding (device_id, who, patient_id, during)
            VALUES (1, 'A', 1, '[2026-01-01,2026-03-01)'), (1, '', 1, '[2026-03-01,)');
        """
    )


async def test_a_node_comes_with_its_devices_and_bindings(conn: Connection) -> None:
    """Known nodes with everything, unknown ones not at all."""
    found = await identity.nodes(conn, ["testnode1", "testnode2", "nobody00"])
    assert found.keys() == {"testnode1", "testnode2"}
    assert (found["testnode1"].revoked, found["testnode2"].revoked) == (False, True)
    (past, present) = sorted(found["testnode1"].devices["cuff1"].bindings, key=lambda b: b.who)[
        ::-1
    ]
    assert (past.who, past.until) == ("A", datetime(2026, 3, 1, tzinfo=UTC))
    assert (present.who, present.until) == ("", None)


async def test_a_binding_holds_from_its_first_to_before_its_last_instant(conn: Connection) -> None:
    """At the instant of a change the new binding holds, never both."""
    node = (await identity.nodes(conn, ["testnode1"]))["testnode1"]
    change = datetime(2026, 3, 1, tzinfo=UTC)
    before = change - timedelta(microseconds=1)
    held = {
        at: [b.who for b in node.devices["cuff1"].bindings if b.holds_at(at)]
        for at in (before, change)
    }
    assert held == {before: ["A"], change: [""]}


async def test_registering_adds_and_never_erases(conn: Connection) -> None:
    """A birth that is silent about the maker keeps what is known; twice is once."""
    full = Declared("testnode1", "cuff1", "bpm", "acme", "G2", "501", "ble", "(01)0")
    await identity.register(conn, [full, Declared("testnode1", "ox1"), Declared("nobody00", "x")])
    await identity.register(conn, [Declared("testnode1", "cuff1"), Declared("testnode1", "ox1")])
    cursor = await conn.execute(
        "SELECT dev, type, maker, model, serial, link, udi FROM device ORDER BY dev"
    )
    assert await cursor.fetchall() == [
        ("cuff1", "bpm", "acme", "G2", "501", "ble", "(01)0"),
        ("ox1", "other", None, None, None, None, None),
    ]


async def test_pseudonyms_are_found(conn: Connection) -> None:
    """What the hub printed leads to the patient; anything else to nobody."""
    names = ["r:0000000000000001", "r:0000000000000009"]
    assert await identity.pseudonyms(conn, names) == {"r:0000000000000001": 1}
    assert await identity.pseudonyms(conn, []) == {}


async def test_the_last_birth_describes_the_node(conn: Connection) -> None:
    """An older birth that arrives later changes nothing."""

    def birth(model: str, **given: Any) -> BirthRow:
        usual = {"node_id": "testnode1", "maker": "acme", "hardware": None, "firmware": "1"}
        return BirthRow(**(usual | {"model": model, "body": '{"v":0}', "at": AT} | given))

    await identity.record_births(conn, [birth("new"), birth("old", at=AT - timedelta(hours=1))])
    await identity.record_births(conn, [birth("older", at=AT - timedelta(days=1))])
    cursor = await conn.execute("SELECT model, birth, birth_at FROM node WHERE id = 'testnode1'")
    assert await cursor.fetchone() == ("new", {"v": 0}, AT)
