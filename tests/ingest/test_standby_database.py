"""Who acts goes on acting while the database is away, and alone after it was frozen."""

import asyncio
import signal
from pathlib import Path

import pytest

from runtime.postgres_server import PostgresServer
from store.pool import Connection
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import Device, until
from tests.ingest.processes import Ingest, Load, roles, several
from tests.ingest.test_standby import all_stored_once, say, until_count_reached

pytestmark = pytest.mark.loop


async def test_a_database_that_restarts_changes_nobodys_role(
    home: Device, mortal: PostgresServer, broker: LiveBroker, tmp_path: Path
) -> None:
    """Away for longer than any patience: who acts goes on acting when it is back."""
    with several(2, mortal.url, broker.url("hub-ingest"), tmp_path) as both:
        old, (new,) = await roles(both)
        mortal.stop()
        await until(lambda: home.statuses()[-1] == "degraded")
        await asyncio.sleep(7.0)
        assert (await new.ready())[0] == 503
        status, said = await old.ready()
        assert (status, said["role"]) == (503, "active")
        assert "database" in said["reasons"]
        mortal.start()
        assert await roles(both) == (old, [new])
        await asyncio.sleep(6.0)
        assert await roles(both) == (old, [new])
        assert "SESSION_TAKEN_OVER" not in old.log.read_text() + new.log.read_text()


async def test_a_database_that_restarts_during_a_takeover(
    home: Device, mortal: PostgresServer, broker: LiveBroker, tmp_path: Path
) -> None:
    """Killed, and the database goes at the same moment: the standby takes over when it is back.
    Until then nobody can know who acts, and it says what the dead one cannot: degraded."""
    with several(2, mortal.url, broker.url("hub-ingest"), tmp_path) as both:
        old, (new,) = await roles(both)
        home.pressure(120)
        await until(home.receipts)
        old.send(signal.SIGKILL)
        mortal.kill()
        home.pressure(130)
        await until(lambda: home.statuses()[-2:] == ["offline", "degraded"])
        mortal.start()
        say(f"database back: active after {await new.becomes('active'):.1f} s")
        await until(lambda: {"boot": 1, "upto": 1} in home.receipts())
        await until(lambda: home.statuses()[-1] == "ready")


async def test_a_frozen_ingest_without_a_standby_goes_on(
    device: Device, people: Connection, broker: LiveBroker, database_url: str, tmp_path: Path
) -> None:
    """Nobody took its place: it keeps the lease, and everything arrives."""
    with several(1, database_url, broker.url("hub-ingest"), tmp_path) as (one,):
        assert isinstance(one, Ingest)
        await one.becomes("active")
        async with Load(device) as load:
            await until_count_reached(people, 50)
            one.send(signal.SIGSTOP)
            await asyncio.sleep(7.0)
            one.send(signal.SIGCONT)
            await one.becomes("active")
        await all_stored_once(people, load)
        assert one.log.read_text().count('"event": "active"') == 1
