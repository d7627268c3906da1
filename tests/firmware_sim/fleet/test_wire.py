"""The packets of a device, held against a codec that is not ours."""

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.fleet import wire

WILL = wire.Will("hh/1/up/node/state", b'{"s":"lost"}', 30)
# Lengths of one, two and three bytes.
_PAYLOADS = st.binary(max_size=300) | st.sampled_from([b"x" * 127, b"y" * 16_400])


def test_connect_asks_for_a_session_that_stays() -> None:
    """Names, will, keep alive and expiry as the contract wants them."""
    packet, _ = mqtt5.read(wire.connect("node", "secret", WILL, protocol=5, keep_alive_s=60))
    assert isinstance(packet, mqtt5.ConnectPacket)
    assert (packet.client_id, packet.username, packet.password) == ("node", "node", b"secret")
    assert (packet.clean_start, packet.keep_alive) == (False, 60)
    assert packet.session_expiry_interval == 86_400
    assert packet.receive_max >= 10
    will = packet.will
    assert will is not None
    assert (will.topic, will.payload, will.retain) == (*WILL[:2], True)
    assert (will.qos, will.will_delay_interval) == (mqtt5.QoS.AT_LEAST_ONCE, 30)


@given(_PAYLOADS, st.integers(1, 65_535), st.booleans(), st.none() | st.integers(0, 2**32 - 1))
def test_publish_is_what_the_codec_reads(
    payload: bytes, packet_id: int, retain: bool, expiry_s: int | None
) -> None:
    """Topic, payload, retain and expiry come through, at QoS 1."""
    to = wire.address("hh/1/up/node/obs", protocol=5, retain=retain, expiry_s=expiry_s)
    packet, _ = mqtt5.read(wire.publish(to, packet_id, payload))
    assert isinstance(packet, mqtt5.PublishPacket)
    assert (packet.topic, packet.payload) == ("hh/1/up/node/obs", payload)
    assert (packet.packet_id, packet.retain) == (packet_id, retain)
    assert (packet.qos, packet.message_expiry_interval) == (mqtt5.QoS.AT_LEAST_ONCE, expiry_s)


def test_subscribe_is_what_the_codec_reads() -> None:
    """Both filters at QoS 1."""
    packet, _ = mqtt5.read(wire.subscribe(1, ("a/+", "b"), protocol=5))
    assert isinstance(packet, mqtt5.SubscribePacket)
    assert [(one.pattern, one.max_qos) for one in packet.topic_filters] == [
        ("a/+", mqtt5.QoS.AT_LEAST_ONCE),
        ("b", mqtt5.QoS.AT_LEAST_ONCE),
    ]


@given(
    st.lists(st.tuples(_PAYLOADS, st.integers(0, 9), st.none() | st.integers(0, 99)), max_size=4),
    st.data(),
)
def test_what_the_broker_says_is_read_in_any_pieces(
    said: list[tuple[bytes, int, int | None]], data: st.DataObject
) -> None:
    """However the bytes are cut, the same messages come out, in order."""
    packets = [
        mqtt5.PublishPacket(
            "hh/1/dn/n/fb",
            payload,
            qos=mqtt5.QoS.AT_LEAST_ONCE if number else mqtt5.QoS.AT_MOST_ONCE,
            packet_id=number or None,
            message_expiry_interval=expiry,
        )
        for payload, number, expiry in said
    ]
    raw = b"".join(packet.write() for packet in packets)
    cut = data.draw(st.integers(0, len(raw)))
    heard, rest = [], b""
    for piece in (raw[:cut], raw[cut:]):
        rest += piece
        found, done = wire.frames(rest)
        heard += [wire.read_publish(flags, rest[a:b], 5) for _, flags, a, b in found]
        rest = rest[done:]
    assert rest == b""
    assert heard == [(b"hh/1/dn/n/fb", payload, number) for payload, number, _ in said]


def test_how_much_may_be_in_flight_is_read_among_other_properties() -> None:
    """Whatever else a CONNACK carries; without it the standard's or the contract's number."""
    said = mqtt5.ConnAckPacket(
        receive_max=17,
        session_expiry_interval=5,
        assigned_client_id="x",
        reason_str="welcome",
        topic_alias_max=3,
        server_keep_alive=9,
    ).write()
    [(type_, _, start, end)], _ = wire.frames(said)
    assert type_ == wire.CONNACK
    assert wire.read_connack(said[start:end], 5) == (0, 17)
    plain = mqtt5.ConnAckPacket().write()
    [(_, _, start, end)], _ = wire.frames(plain)
    assert wire.read_connack(plain[start:end], 5) == (0, 65_535)
    assert wire.read_connack(b"\x00\x00", 4) == (0, 10)


def test_what_is_no_mqtt_is_told() -> None:
    """A length without an end."""
    with pytest.raises(wire.WireError):
        wire.frames(b"\x30\xff\xff\xff\xff\xff")
