"""The robot when the hub is away, and when its clock is wrong: a real ingest that goes and comes,
on a broker and a database of the test's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from firmware_sim.robot import signals
from firmware_sim.robot.access import Access, Habits
from firmware_sim.robot.device import Robot
from ingest.settings import IngestSettings
from store.pool import Connection
from tests.contract_on_mqtt.conftest import Rows, StartRobot, quick
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import NODE, running, settle_people
from tests.ingest.conftest import quick as quick_settings

BOTH = pytest.mark.parametrize("encoding", ["json", "cbor"])
ADVICE = {"zh-CN": "请拨打 120", "en": "Please call 120"}


@asynccontextmanager
async def at_home(broker: LiveBroker, **habits: Any) -> AsyncIterator[Robot]:
    """A robot of patient 1."""
    broker.add_node(NODE, NODE)
    access = Access(host=broker.host, port=broker.port, node=NODE, password=NODE)
    async with Robot(access, habits=quick(**habits)) as robot:
        yield robot


@pytest.fixture
async def little_hub(conn: Connection, database_url: str, broker: LiveBroker) -> IngestSettings:
    """What a hub runs with; `async with running(little_hub)` is its time."""
    await settle_people(conn)
    return quick_settings(database_url, broker)


@BOTH
async def test_it_keeps_what_it_measures_while_the_hub_is_away(
    little_hub: IngestSettings, conn: Connection, broker: LiveBroker, encoding: str
) -> None:
    """`offline`: readings and waveforms stay, a call goes out; `ready`: everything lands, once."""
    async with at_home(broker, encoding=encoding) as robot:
        async with running(little_hub):
            await robot.hub_ready()
            await robot.receipted()
        await robot.until(lambda: robot.hub == "offline")
        for n in range(3):
            robot.observe([signals.pressure(130 + n, 80, rec=n)])
        robot.send("wave", next(iter(signals.recording("e1", chunks=1))))
        call = robot.call()
        await robot.until(lambda: any("sent event" in line for line in robot.log))
        kept = {m.kind for m in robot.outbox.waiting()}
        held = [m for m in robot.outbox.waiting() if m.kind in ("obs", "wave")]
        assert kept == {"obs", "wave", "event"}
        assert [m.sendings for m in held] == [0, 0, 0, 0]
        async with running(little_hub):
            await robot.receipted()
    rows = Rows(conn)
    assert await rows.all("SELECT v0 FROM reading ORDER BY v0") == [(130,), (131,), (132,)]
    assert await rows.all("SELECT count(*) FROM wave_chunk") == [(1,)]
    assert await rows.all("SELECT DISTINCT event_id FROM event") == [(call,)]
    assert await rows.all("SELECT code FROM reject") == []


@BOTH
async def test_unheard_it_says_whom_to_call(
    little_hub: IngestSettings, conn: Connection, broker: LiveBroker, encoding: str
) -> None:
    """Without a receipt in time the robot shows a number in every language; the call is sent on,
    under the same id, until the hub has it. One that is receipted in time needs no such words."""
    async with at_home(broker, encoding=encoding, fallback_s=0.4, event_resend_s=(0.2,)) as robot:
        name = robot.call()
        await robot.until(lambda: ADVICE in robot.screen)
        (call,) = (m for m in robot.outbox.waiting() if m.kind == "event")
        assert call.body["id"] == name
        async with running(little_hub):
            await robot.receipted()
            stored = "SELECT event_id FROM event WHERE type = 'call_doctor'"
            assert await Rows(conn).all(stored) == [(name,)]
    async with at_home(broker, encoding=encoding, fallback_s=5.0) as robot, running(little_hub):
        robot.call()
        await robot.receipted()
        assert ADVICE not in robot.screen


def test_by_itself_it_waits_a_minute() -> None:
    """As the specification has it; the tests above are impatient."""
    assert Habits().fallback_s == 60.0


@pytest.mark.parametrize("skew_ms", [-3_600_000, 90_000])
async def test_a_clock_that_was_wrong_is_told(
    start_robot: StartRobot, rows: Rows, skew_ms: int
) -> None:
    """On the whole hub: the hub's time is taken, the jump is an event with its size, and what is
    measured from then on has the right time."""
    robot = await start_robot(skew_ms=skew_ms)
    jump = "SELECT (body->>'ms')::bigint, severity FROM event WHERE node_id = %s AND type = %s"
    ((ms, severity),) = await rows.until(jump, robot.access.node, "clock_step")
    assert abs(ms + skew_ms) < 2_000
    assert severity == "info"
    seq = robot.observe([signals.pressure(133, 80)])
    await robot.receipted()
    found = "SELECT measured_at, clock::text FROM reading WHERE (node_id, boot, seq) = (%s, %s, %s)"
    ((at, clock),) = await rows.all(found, robot.access.node, robot.outbox.boot, seq)
    assert (clock, abs(datetime.now(UTC) - at) < timedelta(seconds=30)) == ("hub", True)
