"""Desired configuration: wanted, numbered, published and kept true, whatever dies."""

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.messages import Config
from downlink import letters
from downlink.timers import tend_configurations
from firmware_sim.node import SimulatedNode
from store import configuration, node_config
from store.configuration import Configuration, SettingsRefusedError
from store.pool import Connection
from tests.downlink.home import NODE, Home, build, one
from tests.downlink.live import Process, device, fast, forget, now, running, until
from tests.fixtures.fix_broker import LiveBroker

NOW = datetime(2026, 11, 22, 0, 30, tzinfo=UTC)
DAY = timedelta(days=1)


async def want(conn: Connection, at: datetime = NOW, **put: Any) -> Configuration:
    """Somebody sets settings of the home's node."""
    return await configuration.change(conn, NODE, put=put, by="staff:1", now=at)


async def report(conn: Connection, revision: int, seq: int = 1, **more: Any) -> None:
    """Ingest has heard what the node is set to."""
    values: dict[str, Any] = {"applied": {}, "errors": [], "boot": 1, "at": NOW} | more
    async with conn.transaction():
        row = node_config.ReportRow(node_id=NODE, revision=revision, seq=seq, **values)
        await node_config.take_over(conn, [row])


def configs(node: SimulatedNode) -> list[Config]:
    """The configurations a device has received, in order."""
    return [message for _, message in node.received if isinstance(message, Config)]


async def test_what_differs_is_a_new_revision(conn: Connection) -> None:
    """Set, set again, unset: a revision for each difference and none for none."""
    await build(conn)
    assert (await configuration.read(conn, NODE)).standing == "none"
    first = await want(conn, volume=40, lang="en")
    assert (first.revision, first.wanted) == (1, {"volume": 40, "lang": "en"})
    assert (first.standing, first.changed_by) == ("waiting", "staff:1")
    assert (await want(conn, volume=40)).revision == 1
    less = await configuration.change(conn, NODE, put={}, drop=["volume"], by="me", now=NOW)
    assert (less.revision, less.wanted) == (2, {"lang": "en"})


async def test_what_no_device_could_take_never_leaves(conn: Connection) -> None:
    """The whole change is refused, with a pointer to each setting; nothing is half done."""
    await build(conn)
    await want(conn, volume=40)
    with pytest.raises(SettingsRefusedError) as refused:
        await want(conn, volume=400, brightness=3, lang="en")
    assert [error.path for error in refused.value.errors] == ["/volume", "/brightness"]
    assert "0 to 100" in refused.value.errors[0].msg
    assert (await configuration.read(conn, NODE)).wanted == {"volume": 40}


async def test_the_device_says_what_it_took(conn: Connection) -> None:
    """Sent, then applied or refused; an older report is not about this revision."""
    await build(conn)
    await want(conn, volume=40)
    (row,) = await configuration.waiting(conn)
    await configuration.handed_over(conn, row, now=NOW)
    await report(conn, 0, seq=1)
    assert (await configuration.read(conn, NODE)).standing == "sent"
    await report(conn, 1, seq=2, applied={"volume": 40})
    assert (await configuration.read(conn, NODE)).standing == "applied"
    await report(conn, 1, seq=3, errors=[{"path": "/volume", "msg": "no speaker"}])
    assert (await configuration.read(conn, NODE)).standing == "refused"


async def test_developer_mode_ends_by_itself(conn: Connection) -> None:
    """After a day `dev` goes with a revision of its own; wanting it again starts a new day."""
    await build(conn)
    assert (await want(conn, dev=1, volume=5)).dev_until == NOW + DAY
    again = await want(conn, NOW + DAY / 2, dev=1)
    assert (again.revision, again.dev_until) == (1, NOW + DAY * 1.5)
    assert (await want(conn, NOW + DAY / 2, volume=6)).dev_until == again.dev_until
    await tend_configurations(conn, now=NOW + DAY)
    assert (await configuration.read(conn, NODE)).wanted == {"dev": 1, "volume": 6}
    await tend_configurations(conn, now=NOW + DAY * 1.5)
    ended = await configuration.read(conn, NODE)
    assert (ended.wanted, ended.revision, ended.dev_until) == ({"volume": 6}, 3, None)
    assert ended.changed_by == "hub"
    await tend_configurations(conn, now=NOW + DAY * 3)
    assert (await configuration.read(conn, NODE)).revision == 3


async def test_ending_developer_mode_early_forgets_its_end(conn: Connection) -> None:
    """dev=0 and an unset dev are both the end."""
    await build(conn)
    for put, drop in (({"dev": 0}, []), ({}, ["dev"])):
        await want(conn, dev=1)
        ended = await configuration.change(conn, NODE, put=put, drop=drop, by="me", now=NOW)
        assert ended.dev_until is None


async def test_a_device_ahead_of_the_hub_is_overtaken(conn: Connection) -> None:
    """Our database is an older copy: the same wish gets a number the device will look at."""
    await build(conn)
    await want(conn, volume=40)
    await report(conn, 9)
    await tend_configurations(conn, now=NOW)
    (row,) = await configuration.waiting(conn)
    assert (row.revision, row.wanted) == (10, {"volume": 40})
    await report(conn, 2**60, seq=2)
    await tend_configurations(conn, now=NOW)
    assert (await configuration.read(conn, NODE)).revision == 10, "no number is broken like that"


async def test_the_first_wish_is_above_what_a_device_claims(conn: Connection) -> None:
    """A device that came from another hub takes the first configuration of this one."""
    await build(conn)
    await report(conn, 9)
    await tend_configurations(conn, now=NOW)
    assert await configuration.waiting(conn) == [], "nobody wanted anything yet"
    assert (await want(conn, volume=40)).revision == 10


async def test_a_node_that_left_is_told_nothing(conn: Connection) -> None:
    """Not published, and not restated."""
    await build(conn)
    await want(conn, volume=40)
    await conn.execute("UPDATE node SET revoked_at = now()")
    assert await configuration.waiting(conn) == []
    assert await configuration.current(conn) == []


async def test_a_newer_wish_made_while_the_older_is_sent_still_waits(conn: Connection) -> None:
    """Handing over revision 1 does not mark revision 2 as sent."""
    await build(conn)
    await want(conn, volume=40)
    (row,) = await configuration.waiting(conn)
    await want(conn, volume=41)
    await configuration.handed_over(conn, row, now=NOW)
    (newer,) = await configuration.waiting(conn)
    assert newer.revision == 2
    letter = letters.settings(newer)
    assert letter.message is not None
    assert (letter.message.retain, letter.message.expires_in_s) == (True, None)


async def test_a_wish_reaches_the_device_and_is_kept_for_it(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """Published within two seconds, once, and retained for whoever connects later."""
    async with running(fast(database_url, broker)), device(broker) as node:
        await want(conn, now(), volume=40)
        first = await node.heard("config")
        assert first == Config(v=0, rev=1, set={"volume": 40})
        await until(lambda: one(conn, "SELECT true FROM node_config WHERE published_revision = 1"))
        await want(conn, now(), lang="en")
        await node.heard("config", lambda m: m.rev == 2)
        assert [message.rev for message in configs(node)] == [1, 2]
    async with device(broker, persistent=False) as another:
        assert await another.heard("config") == Config(v=0, rev=2, set={"volume": 40, "lang": "en"})


async def test_a_broker_that_forgot_everything_is_told_the_configuration_again(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """Killed and emptied, it retains the very same one within seconds."""
    async with running(fast(database_url, broker)):
        await want(conn, now(), volume=40)
        async with device(broker, persistent=False) as node:
            before = await node.heard("config")
        await asyncio.to_thread(forget, broker)
        async with device(broker, persistent=False) as node:
            assert await node.heard("config") == before


async def test_killed_between_publishing_and_noting_it(
    conn: Connection, database_url: str, broker: LiveBroker, home: Home
) -> None:
    """kill -9 after the broker had it, before it was noted: the same revision goes out again."""
    process = Process(fast(database_url, broker))
    await want(conn, now(), volume=40)
    async with device(broker) as node:
        async with conn.transaction():
            await conn.execute("SELECT FROM node_config FOR UPDATE")
            process.start()
            await node.heard("config")
            process.end(signal.SIGKILL)
        assert await one(conn, "SELECT published_revision FROM node_config") == 0
        process.start()
        await until(lambda: one(conn, "SELECT true FROM node_config WHERE published_revision = 1"))
        assert process.end(signal.SIGTERM) == 0
        assert {message.rev for message in configs(node)} == {1}
        assert len({tuple(message.set.items()) for message in configs(node)}) == 1
