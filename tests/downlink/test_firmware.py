"""Firmware notices: who is told, until when, and what the devices say of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.messages import Firmware
from downlink import letters
from downlink.notices import progress_of, why_of
from firmware_sim.node import SimulatedNode
from store import firmware
from store.firmware import NewFirmware, Notice
from store.pool import Connection
from tests.downlink.home import NODE, Home, build, hear, one, result, round_of
from tests.downlink.live import device, fast, now, running, until
from tests.fixtures.fix_broker import LiveBroker

NOW = datetime(2026, 11, 22, 0, 30, tzinfo=UTC)
DAY = timedelta(days=1)


async def announce(conn: Connection, version: str = "2.5.0", **more: Any) -> int | None:
    """Somebody announces a firmware for the home's product."""
    at = more.pop("at", NOW)
    values: dict[str, Any] = {
        "maker": "acme",
        "model": "G2",
        "hardware": None,
        "version": version,
        "url": f"https://fw.example/g2-{version}.bin",
        "sha256": "a" * 64,
        "size": 1_048_576,
        "signature": "c2ln",
        "window": (2, 5),
    }
    return await firmware.announce(conn, NewFirmware(**(values | more)), by="me", now=at)


async def born(conn: Connection, version: str | None = "2.4.1", **more: Any) -> None:
    """The node's birth says what it is."""
    values = {"maker": "acme", "model": "G2", "hardware": "B", "v": version} | more
    await conn.execute(
        "UPDATE node SET maker = %(maker)s, model = %(model)s, hardware = %(hardware)s,"
        " firmware = %(v)s, birth_at = now()",
        values,
    )


async def waiting(conn: Connection, at: datetime = NOW) -> list[Notice]:
    """What downlink would publish now."""
    return await firmware.waiting(conn, now=at)


@pytest.mark.parametrize(
    ("birth", "told"),
    [
        ({"version": "2.4.1"}, True),
        ({"version": None}, True),
        ({"version": "2.5.0"}, False),
        ({"model": "G3"}, False),
        ({"maker": "apex"}, False),
    ],
)
async def test_who_is_told(conn: Connection, birth: dict[str, Any], told: bool) -> None:
    """Nodes of the product whose birth says another firmware, or none."""
    await build(conn)
    await born(conn, **birth)
    await announce(conn)
    assert [row.node_id for row in await waiting(conn)] == ([NODE] if told else [])


async def test_hardware_decides_where_it_is_named(conn: Connection) -> None:
    """A firmware for another hardware is none; one for every hardware is."""
    await build(conn)
    await born(conn)
    await announce(conn, "2.6.0", hardware="C")
    assert await waiting(conn) == []
    await announce(conn, "2.5.1", hardware="B")
    assert [row.version for row in await waiting(conn)] == ["2.5.1"]


async def test_a_node_without_a_birth_or_in_service_no_more_is_not_told(conn: Connection) -> None:
    """Nobody knows what it is; or it is nobody's."""
    await build(conn)
    await announce(conn)
    assert await waiting(conn) == []
    await born(conn)
    await conn.execute("UPDATE node SET revoked_at = now()")
    assert await waiting(conn) == []


async def test_what_was_announced_last_holds(conn: Connection) -> None:
    """Of two announcements the later; withdrawn, the earlier holds again."""
    await build(conn)
    await born(conn)
    await announce(conn, "2.5.0")
    newer = await announce(conn, "2.6.0", at=NOW + DAY)
    assert newer is not None
    assert [row.version for row in await waiting(conn)] == ["2.6.0"]
    assert await firmware.withdraw(conn, newer, now=NOW)
    assert not await firmware.withdraw(conn, newer, now=NOW)
    assert [row.version for row in await waiting(conn)] == ["2.5.0"]


async def test_a_version_stands_once_until_it_is_withdrawn(conn: Connection) -> None:
    """Another file under the same version would be fetched by half of the nodes only."""
    await build(conn)
    await born(conn)
    made = await announce(conn)
    assert made is not None
    assert await announce(conn, sha256="b" * 64) is None
    (row,) = await waiting(conn)
    await firmware.told(conn, row, now=NOW)
    await firmware.withdraw(conn, made, now=NOW)
    assert await announce(conn, sha256="b" * 64) == made
    (again,) = await waiting(conn)
    assert again.sha256 == "b" * 64, "announced anew, it is told anew"


async def test_a_notice_is_told_again_before_the_broker_forgets_it(conn: Connection) -> None:
    """It expires after 30 days there; told again from the fifteenth on."""
    await build(conn)
    await born(conn)
    await announce(conn)
    (row,) = await waiting(conn)
    letter = letters.notice(row)
    assert letter.message is not None
    assert (letter.message.retain, letter.message.expires_in_s) == (True, 30 * 86_400)
    await firmware.told(conn, row, now=NOW)
    assert await waiting(conn, NOW + 14 * DAY) == []
    assert await waiting(conn, NOW + 16 * DAY) == [row]


async def test_progress_is_the_devices_last_word(conn: Connection) -> None:
    """accepted with per cent, then error with its reason; of another version, nothing."""
    await build(conn)
    await born(conn)
    await announce(conn)
    (row,) = await waiting(conn)
    await firmware.told(conn, row, now=NOW)
    await hear(conn, result("fw:2.5.0", "accepted", NOW, out={"progress": 40}))
    await round_of(conn, NOW)
    (said,) = await firmware.notices_of_node(conn, NODE)
    assert (said.state, said.progress, said.detail) == ("accepted", 40, None)
    later = NOW + timedelta(minutes=1)
    await hear(
        conn,
        result("fw:2.5.0", "error", later, out={"why": "bad hash"}),
        result("fw:9.9.9", "ok", later),
        result("fw:2.5.0", "ok", NOW - DAY),
    )
    await round_of(conn, later)
    (said,) = await firmware.notices_of_node(conn, NODE)
    assert (said.state, said.progress, said.detail) == ("error", None, "bad hash")
    (listed,) = await firmware.every(conn)
    assert (listed.told, listed.ok, listed.failed) == (1, 0, 1)


async def test_installed_stays_installed(conn: Connection) -> None:
    """Progress that was held back on the way and comes after the end changes nothing."""
    await build(conn)
    await born(conn)
    await announce(conn)
    (row,) = await waiting(conn)
    await firmware.told(conn, row, now=NOW)
    await hear(conn, result("fw:2.5.0", "ok", NOW, out={"progress": 100}))
    await hear(conn, result("fw:2.5.0", "accepted", NOW + DAY, out={"progress": 40}))
    await round_of(conn, NOW + DAY)
    (said,) = await firmware.notices_of_node(conn, NODE)
    assert (said.state, said.progress) == ("ok", 100)


@pytest.mark.parametrize(
    ("out", "progress", "why"),
    [
        ({"progress": 40}, 40, None),
        ({"progress": 99.9, "why": "x"}, 99, "x"),
        ({"progress": 101}, None, None),
        ({"progress": True, "why": 3}, None, None),
        ({"progress": "40"}, None, None),
        ({}, None, None),
    ],
)
def test_what_a_device_may_say_of_its_progress(
    out: dict[str, Any], progress: int | None, why: str | None
) -> None:
    """Only per cent and words are taken."""
    assert (progress_of(out), why_of(out)) == (progress, why)


def notices(node: SimulatedNode) -> list[str]:
    """The versions a device was told of, in order."""
    return [message.ver for _, message in node.received if isinstance(message, Firmware)]


async def test_a_notice_stands_until_the_birth_says_the_version(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """Retained with everything a device checks; replaced by a newer one; gone when installed."""
    await born(conn)
    async with running(fast(database_url, broker)):
        await announce(conn, at=now())
        async with device(broker, persistent=False) as node:
            said = await node.heard("fw")
            assert said == Firmware(
                v=0,
                ver="2.5.0",
                url="https://fw.example/g2-2.5.0.bin",
                sha256="a" * 64,
                size=1_048_576,
                sig="c2ln",
                window=(2, 5),
            )
            await announce(conn, "2.6.0", at=now())
            await node.heard("fw", lambda m: m.ver == "2.6.0")
        await until(lambda: one(conn, _CLEARED, "2.5.0"))
        async with device(broker, persistent=False) as node:
            assert (await node.heard("fw")).ver == "2.6.0", "clearing the old took nothing away"
        await born(conn, "2.6.0")
        await until(lambda: one(conn, _CLEARED, "2.6.0"))
    async with device(broker, persistent=False) as node:
        await asyncio.sleep(0.3)
        assert notices(node) == []


async def test_a_withdrawn_notice_is_taken_from_the_broker(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """Nobody who connects later hears of it."""
    await born(conn)
    made = await announce(conn, at=now())
    assert made is not None
    async with running(fast(database_url, broker)):
        async with device(broker, persistent=False) as node:
            await node.heard("fw")
        await firmware.withdraw(conn, made, now=now())
        await until(lambda: one(conn, _CLEARED, "2.5.0"))
    async with device(broker, persistent=False) as node:
        await asyncio.sleep(0.3)
        assert notices(node) == []


_CLEARED = (
    "SELECT n.cleared_at FROM firmware_notice n JOIN firmware f ON f.id = n.firmware_id"
    " WHERE f.version = %s"
)
