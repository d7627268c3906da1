"""The MQTT session on a real broker: acknowledged when told to, back after anything."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from ingest.mqtt_connection import SessionLostError
from ingest.mqtt_outbox import Outgoing
from ingest.mqtt_session import Arrival, Session, SessionOptions
from runtime.clock import SystemClock
from runtime.settings import Broker, parse_broker_url
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import NODE, Device, until


def options(broker: Broker, **given: object) -> SessionOptions:
    """A session with short times."""
    usual: dict[str, object] = {
        "broker": broker,
        "client_id": "test-session",
        "filters": ("hh/1/up/+/+",),
        "receive_maximum": 10,
        "keep_alive_s": 5,
        "session_expiry_s": 600,
        "max_packet": 200_000,
        "connect_timeout_s": 3.0,
        "backoff_base_s": 0.02,
        "backoff_cap_s": 0.2,
    }
    return SessionOptions(**(usual | given))  # type: ignore[arg-type]


class Taker:
    """A session that keeps what arrives, and settles nothing by itself."""

    def __init__(self, chosen: SessionOptions) -> None:
        self.arrivals: list[Arrival] = []
        self.connections = 0
        self.session = Session(
            chosen, clock=SystemClock(), on_message=self.arrivals.append, on_ready=self._count
        )

    def _count(self) -> None:
        self.connections += 1

    @property
    def payloads(self) -> list[bytes]:
        """What arrived, in order."""
        return [arrival.payload for arrival in self.arrivals]


@contextlib.asynccontextmanager
async def taking(chosen: SessionOptions) -> AsyncIterator[Taker]:
    """A running session, subscribed."""
    taker = Taker(chosen)
    task = asyncio.create_task(taker.session.run())
    try:
        await asyncio.wait_for(taker.session.ready.wait(), 10)
        yield taker
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def sender(broker: LiveBroker) -> object:
    """A node that publishes."""
    broker.add_node(NODE, NODE)
    device = Device(broker, NODE)
    yield device
    device.close()


@pytest.fixture
def hub(broker: LiveBroker) -> Broker:
    """Where the session connects."""
    return parse_broker_url(broker.url("hub-ingest"))


async def test_the_broker_holds_back_what_there_is_no_room_for(hub: Broker, sender: Device) -> None:
    """With ten unsettled messages in hand no eleventh comes; settling brings the next ones, all of
    them, in order. (Mosquitto 2.0 overshoots after an acknowledgement; reading stops instead.)"""
    async with taking(options(hub)) as taker:
        for n in range(100):
            sender.raw("obs", b"%d" % n)
        await until(lambda: len(taker.arrivals) == 10)
        await asyncio.sleep(0.2)
        assert taker.session.in_hand == len(taker.arrivals) == 10
        most = 0
        while len(taker.arrivals) < 100 or taker.session.in_hand:
            taker.session.settle([a for a in taker.arrivals if not a.settled][:3])
            await asyncio.sleep(0.01)
            most = max(most, taker.session.in_hand)
        assert most <= 11
        assert taker.payloads == [b"%d" % n for n in range(100)]


async def test_messages_are_acknowledged_in_the_order_they_came(
    hub: Broker, sender: Device
) -> None:
    """Settling the second first acknowledges nothing yet: the broker's window stays as it is."""
    async with taking(options(hub, receive_maximum=2)) as taker:
        for n in range(4):
            sender.raw("obs", b"%d" % n)
        await until(lambda: len(taker.arrivals) == 2)
        taker.session.settle([taker.arrivals[1]])
        await asyncio.sleep(0.2)
        assert len(taker.arrivals) == 2
        taker.session.settle([taker.arrivals[0]])
        await until(lambda: len(taker.arrivals) == 4)


async def test_what_was_not_settled_comes_again_and_old_ids_stay_unsaid(
    hub: Broker, sender: Device, broker: LiveBroker
) -> None:
    """After a reconnect everything unsettled is delivered again. Settling the earlier copies
    acknowledges nothing on the new connection."""
    async with taking(options(hub)) as taker:
        for n in range(3):
            sender.raw("obs", b"%d" % n)
        await until(lambda: len(taker.arrivals) == 3)
        broker.stop()
        broker.start()
        await until(lambda: len(taker.arrivals) == 6)
        assert taker.payloads == [b"0", b"1", b"2"] * 2
        first, second = taker.arrivals[:3], taker.arrivals[3:]
        taker.session.settle(first)
    async with taking(options(hub)) as again:
        await until(lambda: again.payloads == [b"0", b"1", b"2"])
        again.session.settle(again.arrivals)
        await asyncio.sleep(0.1)
    assert not any(arrival.settled for arrival in second)
    async with taking(options(hub)) as empty:
        await asyncio.sleep(0.3)
        assert empty.arrivals == []


async def test_quality_2_arrives_as_quality_1(hub: Broker, sender: Device) -> None:
    """A device that publishes at QoS 2 is taken at the most we subscribe to."""
    async with taking(options(hub)) as taker:
        sender.raw("obs", b"two", qos=2)
        sender.raw("obs", b"zero", qos=0)
        await until(lambda: sorted(taker.payloads) == [b"two", b"zero"])
        taker.session.settle(taker.arrivals)
        assert taker.session.in_hand == 0


async def test_a_flood_without_acknowledgements_waits_in_the_network(
    hub: Broker, sender: Device
) -> None:
    """QoS 0 has no Receive Maximum: the session stops reading instead, and goes on after."""
    async with taking(options(hub)) as taker:
        for n in range(2000):
            sender._client.publish(f"hh/1/up/{NODE}/obs", b"%06d" % n + b"x" * 3000, 0)
        await until(lambda: taker.session.in_hand > 10)
        await asyncio.sleep(0.3)
        assert taker.session.in_hand == 11
        for _ in range(400):
            if len(taker.arrivals) == 2000:
                break
            taker.session.settle([a for a in taker.arrivals if not a.settled])
            await asyncio.sleep(0.01)
        assert len(taker.arrivals) == 2000


async def test_retained_messages_come_once_per_subscription(hub: Broker, sender: Device) -> None:
    """A new session hears what the broker kept; a restart on the same session does not again."""
    sender.raw("birth", b"kept", retain=True)
    for expected in ([b"kept"], []):
        async with taking(options(hub)) as taker:
            sender.raw("obs", b"live")
            await until(lambda taker=taker: b"live" in taker.payloads)
            assert taker.payloads == [*expected, b"live"]
            assert [arrival.live for arrival in taker.arrivals] == [*[False] * len(expected), True]
            taker.session.settle(taker.arrivals)


async def test_what_is_published_survives_a_broken_connection(
    hub: Broker, sender: Device, broker: LiveBroker
) -> None:
    """Feedback given while the broker is away is published when it is back."""
    async with taking(options(hub)) as taker:
        broker.stop()
        await until(lambda: not taker.session.ready.is_set())
        for n in range(20):
            taker.session.publish(Outgoing(f"hh/1/dn/{NODE}/fb", b'{"n":%d}' % n))
        assert not taker.session.publish_once(f"hh/1/dn/{NODE}/fb", b"{}")
        broker.start()
        await until(lambda: len(sender.feedback()) == 20)
        assert [fb["n"] for fb in sender.feedback()] == list(range(20))


async def test_a_goodbye_is_told_a_death_is_willed(
    hub: Broker, sender: Device, broker: LiveBroker
) -> None:
    """Leaving on purpose publishes the farewell at once; a lost connection lets the will speak."""
    will = Outgoing("hh/1/hub/status", b'{"s":"offline"}', retain=True)
    async with taking(options(hub, will=will, will_delay_s=0)) as taker:
        taker.session.leave_with(Outgoing("hh/1/hub/status", b'{"s":"left"}', retain=True))
    await until(lambda: sender.statuses() == ["left"])
    async with taking(options(hub, will=will, will_delay_s=1)) as taker:
        taker.session._connection.fail(SessionLostError("cut"))  # type: ignore[union-attr]
        await until(lambda: taker.connections == 2)
        await asyncio.sleep(1.5)
        assert sender.statuses() == ["left"], "it was back before the will's delay"


# --- peers that are no broker ---------------------------------------------------------------------


@contextlib.asynccontextmanager
async def rogue(
    answer: bytes, *, swallow: bool = False
) -> AsyncIterator[tuple[Broker, list[float]]]:
    """A server that accepts, says `answer` to whatever comes first, and then nothing more."""
    visits: list[float] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(asyncio.get_running_loop().time())
        with contextlib.suppress(OSError):
            await reader.read(1000)
            writer.write(answer)
            await writer.drain()
            while swallow and await reader.read(1000):
                pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Broker("127.0.0.1", port, None, None, tls=False), visits


CONNACK = b"\x20\x03\x00\x00\x00"
SUBACK = b"\x90\x04\x00\x01\x00\x01"


# The codec panics in Rust on the invalid topic, and says so on its way.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x20\xff\xff\xff\x7f",
        CONNACK + SUBACK + b"\x30\x05\x00\x02\xff\xfe\x00",
        CONNACK + SUBACK + b"\x34\x08\x00\x01a\x00\x05\x00xy",
        CONNACK + b"\x90\x04\x00\x01\x00\x87",
        b"\x20\x03\x00\x86\x00",
        b"\xe0\x00",
        b"",
    ],
    ids=[
        "http",
        "too large",
        "a topic that is no UTF-8",
        "quality 2",
        "subscription refused",
        "wrong password",
        "sent away",
        "hung up",
    ],
)
async def test_nonsense_ends_the_connection_not_the_session(answer: bytes) -> None:
    """Whatever a peer says, the session drops the connection and comes back."""
    async with rogue(answer) as (broker, visits):
        taker = Taker(options(broker))
        task = asyncio.create_task(taker.session.run())
        await until(lambda: len(visits) >= 3)
        assert not task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_peer_that_answers_nothing_is_noticed() -> None:
    """After one and a half keep-alives of silence the connection is given up for dead."""
    async with rogue(CONNACK + SUBACK, swallow=True) as (broker, visits):
        taker = Taker(options(broker, keep_alive_s=1))
        task = asyncio.create_task(taker.session.run())
        await until(lambda: len(visits) >= 2, 4.0)
        assert 0.9 <= visits[1] - visits[0] <= 1.8
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_whoever_is_taken_over_waits_before_coming_back() -> None:
    """Two with one name would throw each other out for ever: the first one leaves room."""
    taken_over = CONNACK + SUBACK + b"\xe0\x02\x8e\x00"
    async with rogue(taken_over) as (broker, visits):
        taker = Taker(options(broker, backoff_base_s=0.001, backoff_cap_s=0.4))
        task = asyncio.create_task(taker.session.run())
        await until(lambda: len(visits) >= 2)
        assert visits[1] - visits[0] >= 0.4
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
