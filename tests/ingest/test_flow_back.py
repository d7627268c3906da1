"""Connected is not enough: the hub's own word has to come back, or the connection is made anew."""

import asyncio

import mqtt5
import pytest
from prometheus_client import REGISTRY

from contract.acl import ACL
from ingest import service
from ingest.settings import IngestSettings
from runtime.mosquitto_server import MosquittoServer
from store.pool import Connection
from tests.fixtures.fix_broker import SERVICES, LiveBroker
from tests.fixtures.fix_place import short_lived_directory
from tests.ingest.conftest import NODE, Device, quick, running, until, until_count


def words_back() -> int:
    """How often a word came back so far, over either connection."""
    return int(REGISTRY.get_sample_value("hearthbeat_ingest_echo_seconds_count") or 0)


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> list[service._Room]:
    """The turns that begin."""
    begun: list[service._Room] = []
    prepare = service._Room.__init__

    def note(room: service._Room, *given: object) -> None:
        begun.append(room)
        prepare(room, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(service._Room, "__init__", note)
    return begun


async def test_a_word_goes_round_by_both_connections(
    device: Device, people: Connection, settings: IngestSettings
) -> None:
    """It comes back twice, disturbs nothing, and is nobody's message."""
    before = words_back()
    async with running(settings.model_copy(update={"flow_every_s": 0.1})):
        await until(lambda: words_back() >= before + 6)
        device.pressure(120)
        await until_count(people, "reading", 1)
    for table in ("reject", "message"):
        cursor = await people.execute(f"SELECT count(*) FROM {table}".encode())
        assert await cursor.fetchone() == (0 if table == "reject" else 1,)
    assert "degraded" not in device.statuses()


@pytest.mark.parametrize("lane", ["data", "priority"])
async def test_a_lost_subscription_is_noticed_and_made_anew(
    device: Device,
    people: Connection,
    settings: IngestSettings,
    rooms: list[service._Room],
    lane: str,
) -> None:
    """The connection stays up, pings are answered, and nothing comes: within rounds hub/status is
    degraded, the connection is made anew, and readings and calls for help arrive again."""
    chosen = settings.model_copy(update={"flow_every_s": 0.3, "degraded_after_s": 0.0})
    async with running(chosen):
        await until(lambda: "ready" in device.statuses())
        session = rooms[0]._data if lane == "data" else rooms[0]._priority
        connection = session._connection
        assert connection is not None
        filters = session._options.filters
        connection.write(mqtt5.UnsubscribePacket(60_000, list(filters)).write())
        await until(lambda: "degraded" in device.statuses())
        await until(lambda: session._connection not in (None, connection))
        await until(session.ready.is_set)  # subscribed: hub/status may speak of before
        await until(lambda: device.statuses()[-1] == "ready")
        device.pressure(120)
        device.send("event", {"id": "e1", "type": "sos"})
        await until_count(people, "reading", 1)
        await until_count(people, "event", 1)


async def test_nobody_subscribes_is_noticed_at_once(
    device: Device, settings: IngestSettings, rooms: list[service._Room]
) -> None:
    """The broker itself says so when it answers the word: no rounds are waited for."""
    chosen = settings.model_copy(update={"flow_every_s": 2.0, "degraded_after_s": 0.0})
    async with running(chosen):
        await until(lambda: "ready" in device.statuses())
        both = (rooms[0]._data, rooms[0]._priority)
        old = [session._connection for session in both]
        for session, connection in zip(both, old, strict=True):
            assert connection is not None
            packet = mqtt5.UnsubscribePacket(60_000, list(session._options.filters))
            connection.write(packet.write())
        for session, gone in zip(both, old, strict=True):
            await until(lambda s=session, o=gone: s._connection not in (None, o))
        await until(lambda: device.statuses()[-1] == "ready")


async def test_a_broker_that_forgot_everything_is_told_again(
    device: Device, people: Connection, settings: IngestSettings, broker: LiveBroker
) -> None:
    """Killed, and started without what it had saved: the hub subscribes again by itself, and says
    in a metric that the broker had no session for it."""
    async with running(settings):
        await until(lambda: "ready" in device.statuses())
        broker.kill()
        for saved in (broker.server.home / "data").iterdir():
            saved.unlink()
        broker.start()
        await until(device._client.is_connected)
        device._client.subscribe([(f"hh/1/dn/{device.node}/+", 1), ("hh/1/hub/status", 1)])
        await until(lambda: forgotten("data") == 2)
        device.pressure(130)
        await until_count(people, "reading", 1)
        await until(device.receipts)


def forgotten(lane: str) -> float:
    """How often the broker had no session for this connection, the first time included."""
    labels = {"lane": lane}
    return REGISTRY.get_sample_value("hearthbeat_ingest_sessions_forgotten", labels) or 0.0


async def test_a_broker_that_denies_the_word_is_not_judged(
    people: Connection, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody else's broker with an access list of its own: that is said once, and no more."""
    narrow = ACL.replace(
        "user hub-ingest\n", "user hub-ingest\ntopic deny hh/1/up/hub-ingest/time\n"
    )
    with short_lived_directory("narrow") as home:
        server = MosquittoServer(home, acl=narrow, services=SERVICES)
        server.start()
        try:
            broker = LiveBroker(server)
            broker.add_node(NODE, NODE)
            device = Device(broker, NODE)
            settings = quick(database_url, broker).model_copy(update={"flow_every_s": 0.2})
            async with running(settings):
                await until(lambda: "ready" in device.statuses())
                await asyncio.sleep(2.0)
                device.pressure(120)
                await until_count(people, "reading", 1)
            assert device.statuses()[:1] == ["ready"]
            assert "degraded" not in device.statuses()
            device.close()
        finally:
            server.stop()
    assert capsys.readouterr().out.count("flow_not_watched") == 1
