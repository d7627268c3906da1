"""One ingest acts, the others stand by: killed, frozen, asked to stop, without a database."""

import asyncio
import signal
import sys
import time
from pathlib import Path

import pytest

from store.pool import Connection
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import Device, count, until, until_count
from tests.ingest.processes import Load, roles, several

pytestmark = pytest.mark.loop
# What is promised is ten seconds; a busy machine may take longer, and says how long.
GENEROUS_S = 45.0


def say(figure: str) -> None:
    """What was measured, for who runs the test with -s."""
    sys.stdout.write(f"\n{figure}")


async def stored_after(conn: Connection, before: int) -> float:
    """How long until more than so many readings are stored."""
    began = time.monotonic()
    while await count(conn, "reading") <= before:
        assert time.monotonic() - began < GENEROUS_S
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def all_stored_once(conn: Connection, load: Load) -> None:
    """Everything that was sent is a row, was fed once, and is receipted."""
    await until_count(conn, "reading", load.sent)
    await until(lambda: load.receipted() == load.sent - 1)
    cursor = await conn.execute("SELECT sum(items), count(DISTINCT id) = count(*) FROM batch")
    assert await cursor.fetchone() == (load.sent, True)


async def of_holder(conn: Connection, epoch: int) -> int:
    """How many sessions at the database do not belong to the holder of this epoch."""
    cursor = await conn.execute(
        "SELECT count(*) FROM pg_stat_activity s, lease l WHERE s.datname = current_database()"
        " AND application_name LIKE 'hearthbeat ingest %% @%%' AND l.epoch = %s"
        " AND application_name NOT LIKE '%% @' || l.holder",
        (epoch,),
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def test_a_killed_ingest_is_taken_over(
    device: Device, people: Connection, broker: LiveBroker, database_url: str, tmp_path: Path
) -> None:
    """kill -9 under load: the standby goes on within ten seconds, nothing is lost or fed twice,
    and the dead one's will does not override what the new one says."""
    with several(2, database_url, broker.url("hub-ingest"), tmp_path) as both:
        old, (new,) = await roles(both)
        async with Load(device) as load:
            await until_count_reached(people, 100)
            receipted = load.receipted()
            old.send(signal.SIGKILL)
            before = await count(people, "reading")
            took_s = await stored_after(people, before)
            say(f"kill -9: stored again after {took_s:.1f} s")
            assert await new.becomes("active") < GENEROUS_S
            await asyncio.sleep(1.0)
        assert receipted <= before
        await all_stored_once(people, load)
        statuses = device.statuses()
        await asyncio.sleep(max(0.0, 12.0 - took_s))
        assert device.statuses()[-1] == "ready"
        assert "offline" not in statuses[statuses.index("ready") :]
        assert 'takeovers_total{why="gone"} 1.0' in (await new.get("metrics"))[1]


async def until_count_reached(conn: Connection, at_least: int) -> None:
    """Wait until there are so many readings."""
    await stored_after(conn, at_least - 1)


SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(0.4); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON batch FOR EACH ROW EXECUTE FUNCTION slow();
"""


async def test_a_frozen_ingest_is_taken_over_and_stands_by_when_it_thaws(
    device: Device, people: Connection, broker: LiveBroker, database_url: str, tmp_path: Path
) -> None:
    """SIGSTOP in the middle of a transaction that holds the feed: the standby goes on all the same.
    Thawed, the old one has no session left, writes nothing, takes nothing back and stands by; and
    when the new one is killed, it takes over in its turn."""
    with several(2, database_url, broker.url("hub-ingest"), tmp_path) as both:
        old, (new,) = await roles(both)
        async with Load(device) as load:
            await until_count_reached(people, 100)
            await people.execute(SLOW.encode())
            await asyncio.sleep(1.0)
            old.send(signal.SIGSTOP)
            began = time.monotonic()
            # This waits for the frozen transaction, as the standby would have to.
            await people.execute("ALTER TABLE batch DISABLE TRIGGER slow")
            await stored_after(people, await count(people, "reading"))
            say(f"SIGSTOP: stored again after {time.monotonic() - began:.1f} s")
            await new.becomes("active")
            assert await of_holder(people, 2) == 0
            old.send(signal.SIGCONT)
            say(f"thawed: standby after {await old.becomes('standby'):.1f} s")
            await asyncio.sleep(3.0)
            assert await roles(both) == (new, [old])
            assert await of_holder(people, 2) == 0
            taken = await count(people, "reading")
            new.send(signal.SIGKILL)
            say(f"kill -9: stored again after {await stored_after(people, taken):.1f} s")
            await old.becomes("active")
        await all_stored_once(people, load)
        assert device.statuses()[-1] == "ready"


async def test_who_stops_hands_over_at_once(
    device: Device, people: Connection, broker: LiveBroker, database_url: str, tmp_path: Path
) -> None:
    """SIGTERM with a standby there: it goes on at once, and hub/status is never offline; without
    one, it is."""
    with several(2, database_url, broker.url("hub-ingest"), tmp_path) as both:
        old, (new,) = await roles(both)
        async with Load(device) as load:
            await until_count_reached(people, 50)
            old.send(signal.SIGTERM)
            assert old.process.returncode == 0
            before = await count(people, "reading")
            say(f"SIGTERM: stored again after {await stored_after(people, before):.1f} s")
            await new.becomes("active")
        await all_stored_once(people, load)
        statuses = device.statuses()
        assert "offline" not in statuses[statuses.index("ready") :]
        new.send(signal.SIGTERM)
        await until(lambda: device.statuses()[-1] == "offline")


async def test_of_two_standbys_one_takes_over(
    device: Device, people: Connection, broker: LiveBroker, database_url: str, tmp_path: Path
) -> None:
    """The other goes on waiting, and neither fights: twice in a row."""
    with several(3, database_url, broker.url("hub-ingest"), tmp_path) as three:
        left = list(three)
        await roles(left)  # what comes before the first subscription, no broker keeps
        async with Load(device) as load:
            for _ in range(2):
                old, _ = await roles(left)
                await until_count_reached(people, await count(people, "reading") + 50)
                old.send(signal.SIGKILL)
                left.remove(old)
                await stored_after(people, await count(people, "reading"))
            new, _ = await roles(left)
        await all_stored_once(people, load)
        said = "".join(one.log.read_text() for one in three)
        assert said.count('"event": "active"') == 3
        assert "SESSION_TAKEN_OVER" not in new.log.read_text()
