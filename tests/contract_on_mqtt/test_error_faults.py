"""The codes that need a fault, a lowered limit, or a node that has no business here: made by real
means on a broker and a database of the test's own, with ingest in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from contract.errors import ERRORS
from firmware_sim.robot import signals
from firmware_sim.robot.access import Access
from firmware_sim.robot.device import Robot
from firmware_sim.robot.encoding import to_bytes
from store.pool import Connection
from tests.contract_on_mqtt.conftest import QUICK, Rows, quick
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import NODE, running, settle_people
from tests.ingest.conftest import quick as quick_settings

PROVOKED = ("E4002", "E4003", "E5001", "E5101", "E9001", "E9002", "W5101")
BOTH = pytest.mark.parametrize("encoding", ["json", "cbor"])


@asynccontextmanager
async def at_work(
    conn: Connection,
    database_url: str,
    broker: LiveBroker,
    *,
    node: str = NODE,
    encoding: str = "json",
    **changed: Any,
) -> AsyncIterator[Robot]:
    """A robot and an ingest with some settings changed, both ready."""
    await settle_people(conn)
    broker.add_node(node, node)
    settings = quick_settings(database_url, broker).model_copy(update=changed)
    access = Access(host=broker.host, port=broker.port, node=node, password=node)
    robot = Robot(access, habits=quick(encoding=encoding, tick_s=QUICK.tick_s))
    async with running(settings), robot:
        await robot.hub_ready()
        yield robot


def check(told: dict[str, Any], code: str) -> None:
    """What every answer has to say."""
    known = ERRORS[code]
    assert (told["name"], told["retry"], told["ok"]) == (known.name, known.retry, known.warning)
    assert (told["hint"], told["doc"]) == (known.en.hint, f"errors#{code}")
    assert told["msg"]


async def heard(robot: Robot, code: str) -> dict[str, Any]:
    """The first answer with this code."""
    told: dict[str, Any] = await robot.heard(
        "fb", lambda fb: fb.get("code") == code and fb["ref"]["topic"] == "obs"
    )
    check(told, code)
    return told


@BOTH
async def test_a_node_nobody_knows(
    conn: Connection, database_url: str, broker: LiveBroker, encoding: str
) -> None:
    """The broker lets it in and the hub has never heard of it: nothing is stored."""
    node = "stranger1"
    async with at_work(conn, database_url, broker, node=node, encoding=encoding) as robot:
        robot.observe([signals.pressure(148, 91)])
        await heard(robot, "E4002")
    assert await Rows(conn).all("SELECT 1 FROM reading") == []


@BOTH
async def test_a_node_taken_out_of_use(
    conn: Connection, database_url: str, broker: LiveBroker, encoding: str
) -> None:
    """From then on nothing of it is stored, whatever the broker still lets through; a call for
    help lands all the same."""
    changed = {"identity_ttl_s": 0.1}
    async with at_work(conn, database_url, broker, encoding=encoding, **changed) as robot:
        await conn.execute(b"UPDATE node SET revoked_at = now()")
        await asyncio.sleep(0.15)  # identities are believed for so long
        robot.observe([signals.pressure(148, 91, dev="cuff1")])
        await heard(robot, "E4003")
        robot.call()
        await robot.heard("fb", lambda fb: fb.get("st") == "accepted")
    assert await Rows(conn).all("SELECT 1 FROM reading") == []
    assert await Rows(conn).all("SELECT type FROM event") == [("call_doctor",)]


@BOTH
async def test_a_payload_that_is_too_large(
    conn: Connection, database_url: str, broker: LiveBroker, encoding: str
) -> None:
    """Our own broker lets it through. It is refused whole; the next good message is stored."""
    async with at_work(conn, database_url, broker, encoding=encoding) as robot:
        large = {"v": 0, "boot": 1, "seq": 0, "rc": 1, "ser": [], "x_fill": "x" * 131_072}
        robot.raw("obs", to_bytes(large, encoding))
        told = await heard(robot, "E5001")
        assert "131072" in told["msg"]
        robot.observe([signals.pressure(148, 91)])
        await robot.receipted()
    assert await Rows(conn).all("SELECT v0 FROM reading") == [(148.0,)]


@BOTH
async def test_a_node_that_sends_far_too_often(
    conn: Connection, database_url: str, broker: LiveBroker, encoding: str
) -> None:
    """Refused for now, with the seconds to wait; obeyed, so that in the end everything is there."""
    limits = {"hard_per_s": 4.0, "hard_burst": 2.0}
    async with at_work(conn, database_url, broker, encoding=encoding, **limits) as robot:
        sent = 0
        while not any(fb.get("code") == "E5101" for kind, fb in robot.received if kind == "fb"):
            robot.observe([signals.pressure(100 + sent, 60)])
            sent += 1
            await asyncio.sleep(0.05)
            assert sent < 100
        told = await heard(robot, "E5101")
        assert 1 <= told["after"] <= 60
        await robot.receipted()
    assert await Rows(conn).all("SELECT count(*) FROM reading") == [(sent,)]


@BOTH
async def test_a_node_that_should_slow_down(
    conn: Connection, database_url: str, broker: LiveBroker, encoding: str
) -> None:
    """Everything is kept, and it hears how long to pause."""
    async with at_work(conn, database_url, broker, encoding=encoding, soft_factor=0.05) as robot:
        sent = 0
        while not any(fb.get("code") == "W5101" for kind, fb in robot.received if kind == "fb"):
            robot.observe([signals.pressure(100 + sent, 60)])
            sent += 1
            await asyncio.sleep(0.05)
            assert sent < 100
        told = await heard(robot, "W5101")
        assert (told["kept"], told["dropped"]) == (1, 0)
        assert told["after"] >= 1
        await robot.receipted()
    assert await Rows(conn).all("SELECT count(*) FROM reading") == [(sent,)]


_POISON = """
CREATE FUNCTION poisoned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.v0 = 199.5 THEN RAISE EXCEPTION 'poisoned' USING ERRCODE = '{state}'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER poisoned BEFORE INSERT ON reading FOR EACH ROW EXECUTE FUNCTION poisoned();
"""


@BOTH
@pytest.mark.parametrize(("code", "state"), [("E9001", "55000"), ("E9002", "22003")])
async def test_a_message_the_database_refuses(
    conn: Connection, database_url: str, broker: LiveBroker, encoding: str, code: str, state: str
) -> None:
    """A fault of the hub asks for it again; values nobody can store are dropped, kept as they
    came. The messages around it are stored either way."""
    await conn.execute(_POISON.format(state=state).encode())
    changed = {"backoff_base_s": 0.01, "backoff_cap_s": 0.02}
    async with at_work(conn, database_url, broker, encoding=encoding, **changed) as robot:
        for record, sys in enumerate((148, 199.5, 149), 1):
            robot.observe([signals.pressure(sys, 91, rec=record)])
        told = await heard(robot, code)
        assert (told["kept"], told["dropped"]) == (0, 1)
        if code == "E9001":
            await conn.execute(b"DROP TRIGGER poisoned ON reading")
        await robot.receipted()
    found = await Rows(conn).all("SELECT v0 FROM reading ORDER BY v0")
    assert found == [(148,), (149,), *([(199.5,)] if code == "E9001" else [])]
    (kept,) = await Rows(conn).all("SELECT DISTINCT code FROM reject")
    assert kept == (code,)
