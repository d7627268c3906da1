"""The pure parts of ingest: frames, ranges, the outbox, batches, digests."""

import asyncio
from typing import Literal

import cbor2
import mqtt5
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import cbor, codec
from ingest.batch import Batcher
from ingest.mqtt_frame import FrameError, packet_length
from ingest.mqtt_outbox import Outbox, Outgoing
from ingest.mqtt_session import Arrival
from ingest.numbers import Numbers, digest_of, glimpse_of, numbers_of
from ingest.ranges import Ranges
from runtime.clock import SystemClock

LIMIT = 1_000_000


@given(st.binary(max_size=300), st.integers(0, 20))
def test_a_frame_is_as_long_as_its_packet(payload: bytes, before: int) -> None:
    """The length told from the header is the length of the packet; less than a header is None."""
    packet = mqtt5.PublishPacket("a/b", payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=7).write()
    buffer = b"x" * before + packet + b"\xd0\x00"
    assert packet_length(buffer, before, LIMIT) == len(packet)
    assert packet_length(packet[:1], 0, LIMIT) is None
    assert packet_length(b"", 0, LIMIT) is None


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\x00\x00",
        b"\x10\x00",
        b"\x61\x00",
        b"\xff\xff\xff\xff\x7f",
    ],
    ids=["http", "reserved", "connect", "pubrel flags", "auth flags"],
)
def test_what_no_server_sends_is_refused(data: bytes) -> None:
    """Text of another protocol is told from a packet that is not yet whole."""
    with pytest.raises(FrameError):
        packet_length(data, 0, LIMIT)


def test_an_absurd_length_is_refused_before_it_is_awaited() -> None:
    """A packet of 256 MB is refused from five bytes; a length of five bytes is none."""
    with pytest.raises(FrameError, match="at most 1000000"):
        packet_length(b"\x30\xff\xff\xff\x7f", 0, LIMIT)
    with pytest.raises(FrameError, match="four bytes"):
        packet_length(b"\x30\xff\xff\xff\xff\x01", 0, LIMIT)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=30))
@settings(max_examples=200)
def test_ranges_are_a_set(spans: list[tuple[int, int]]) -> None:
    """Ranges hold exactly the numbers added, ascending, and never touch each other."""
    ranges, model = Ranges(), set()
    for one, other in spans:
        low, high = min(one, other), max(one, other)
        ranges.add(low, high)
        model |= set(range(low, high + 1))
    assert {n for low, high in ranges.all for n in range(low, high + 1)} == model
    assert all(b[0] - a[1] > 1 for a, b in zip(ranges.all, ranges.all[1:], strict=False))
    assert ranges.upto == next((n for n in range(200) if n not in model), 0) - 1
    assert all((n in ranges) == (n in model) for n in range(62))


def test_a_count_that_never_saw_zero_is_told_in_ranges() -> None:
    """`upto` is -1 until 0 is there; everything stands in the ranges beyond."""
    ranges = Ranges([(5, 7)])
    assert (ranges.upto, ranges.beyond([5], 9)) == (-1, [(5, 7)])
    ranges.add(0, 4)
    assert (ranges.upto, ranges.beyond([5], 9)) == (7, [])


def test_too_many_ranges_name_first_what_was_asked() -> None:
    """A device with a hundred gaps hears about the number it just sent again."""
    ranges = Ranges([(n, n) for n in range(0, 200, 2)])
    told = ranges.beyond([50], 3)
    assert told == [(50, 50), (196, 196), (198, 198)]


def test_the_outbox_keeps_what_is_in_flight() -> None:
    """Nothing is dropped before the broker has it; ids are not used twice; 1 is not used."""
    outbox = Outbox(limit=10)
    for n in range(3):
        outbox.put(Outgoing("t", b"%d" % n))
    taken = outbox.take(2)
    assert [message.payload for _, message in taken] == [b"0", b"1"]
    assert outbox.take(2) == []
    outbox.acknowledged(taken[0][0])
    ((third, _),) = outbox.take(2)
    assert len({1, *(packet_id for packet_id, _ in taken), third}) == 4
    assert [m.payload for _, m in outbox.again()] == [b"1", b"2"]


def test_a_full_outbox_loses_the_oldest_and_counts() -> None:
    """Bounded: the newest word stays; a retained one replaces its predecessor."""
    outbox = Outbox(limit=2)
    for n in range(4):
        outbox.put(Outgoing("t", b"%d" % n))
    assert outbox.lost == 2
    assert [m.payload for _, m in outbox.take(9)] == [b"2", b"3"]
    for state in (b"degraded", b"ready"):
        outbox.put(Outgoing("status", state, retain=True))
    assert [m.payload for _, m in outbox.take(9)] == [b"ready"]


def arrival(n: int) -> Arrival:
    """A message told apart by its payload."""
    return Arrival("t", b"%d" % n, SystemClock().now())


async def test_a_batch_closes_when_full_or_old() -> None:
    """Order is kept; a full batch does not wait, a lone message waits no longer than its age."""
    batcher = Batcher(size=3, age_s=0.05)
    for n in range(7):
        batcher.put(arrival(n))
    async with asyncio.timeout(0.04):
        sizes = [len(await batcher.next()), len(await batcher.next())]
    assert sizes == [3, 3]
    async with asyncio.timeout(1):
        (last,) = await batcher.next()
    assert last.payload == b"6"


async def test_a_batch_waits_for_its_first_message() -> None:
    """Without messages there is no batch."""
    batcher = Batcher(size=3, age_s=0.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await batcher.next()


def test_a_resend_has_the_same_digest_and_another_content_has_not() -> None:
    """What a resend may change (up, hist, rc, try) does not count; values and time do."""

    def digest(**given: object) -> int:
        body = {"v": 0, "boot": 1, "seq": 2, "t": 5, "ser": [{"k": "wt", "o": [0], "y": [70]}]}
        return digest_of(codec.decode("obs", msgspec.json.encode(body | given)))

    assert digest() == digest(up=99, hist=1, rc=1, cerr=3)
    other = [{"k": "wt", "o": [0], "y": [71]}]
    assert len({digest(), digest(t=6), digest(ser=other)}) == 3
    assert -(2**63) <= digest() < 2**63


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"boot":3,"seq":4,"rc":1,"ser":"no"}', Numbers(3, 4, 1)),
        (b'{"boot":3,"ser":[{}]}', Numbers(3)),
        (b'{"boot":"3","seq":4}', Numbers()),
        (b'{"boot":3,"seq":4', Numbers()),
        (b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}", Numbers()),
        (b"\xff", Numbers()),
        (b" " * 200_000, Numbers()),
        (b"\xa3dboot\x03cseq\x04cserbno", Numbers(3, 4)),
        (b"\xa3dboot\x03cseq\x04cser\xc0\x00", Numbers(3, 4)),
        (b"\xa3dboot\x03cseq\x04cser", Numbers()),
    ],
)
def test_the_numbers_of_a_refused_message(payload: bytes, expected: Numbers) -> None:
    """Boot and number are read where they can be, and rubbish is no error."""
    assert numbers_of(payload) == expected


@pytest.mark.parametrize("encoding", ["json", "cbor"])
@pytest.mark.parametrize("samples", [1, 4000])
def test_a_glimpse_shows_which_message_it_is(
    encoding: Literal["json", "cbor"], samples: int
) -> None:
    """Boot and number, also of a long message; with its keys in any order that is common."""
    series = {"k": "hr", "dt": 1000, "y": [70] * samples}
    said = {"v": 0, "boot": 70_001, "seq": 66_000, "t": 1795354700000, "ser": [series]}
    for order in (said, dict(sorted(said.items())), dict(reversed(said.items()))):
        json_bytes = msgspec.json.encode(order)
        payload = json_bytes if encoding == "json" else cbor2.dumps(order)
        assert glimpse_of(payload) == Numbers(70_001, 66_000)
    assert glimpse_of(cbor.write(said)) == Numbers(70_001, 66_000)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b'{"boot":-1,"seq":1.5}',
        b'{"boot":' + b"9" * 600 + b"}",
        b'{"boot":99999999999,"seq":4}',
        b'{"msg":"\\"boot\\":3,\\"seq\\":4,"}',
        b'{"seq":"4","boot":4',
        b"\xa1dboot\x1a\x00",
        b"\xa1dboot\x20",
        b"\xa1" + b"dboot" * 20_000,
    ],
)
def test_a_glimpse_of_anything_else_shows_nothing(payload: bytes) -> None:
    """What is cut, out of range, or only looks like it is no number."""
    assert glimpse_of(payload) == Numbers()


@given(st.binary(max_size=2000))
def test_a_glimpse_never_fails(payload: bytes) -> None:
    """Of whatever bytes, as JSON and as CBOR."""
    for start in (b"", b"{", b"\xa1"):
        assert isinstance(glimpse_of(start + payload), Numbers)
