"""What the session says to the broker, as packets of the codec, and what is read back."""

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import mqtt5
from mqtt5 import DisconnectReasonCode, QoS, RetainHandling

from ingest.mqtt_frame import FrameError
from ingest.mqtt_outbox import Outgoing

if TYPE_CHECKING:
    from ingest.mqtt_session import SessionOptions

_SUBSCRIBE_ID: Final = 1
_PUBACK: Final = 0x4002_0000  # its type, two bytes to come, the packet id


def connect(options: "SessionOptions") -> bytes:
    """CONNECT to a session that is kept, with its will."""
    will = None
    if options.will is not None:
        will = mqtt5.Will(
            options.will.topic,
            payload=options.will.payload,
            qos=QoS.AT_LEAST_ONCE,
            retain=options.will.retain,
            will_delay_interval=options.will_delay_s,
        )
    password = options.broker.password
    return mqtt5.ConnectPacket(
        options.client_id,
        username=options.broker.user,
        password=None if password is None else password.encode(),
        clean_start=False,
        will=will,
        keep_alive=options.keep_alive_s,
        session_expiry_interval=options.session_expiry_s,
        receive_max=options.receive_maximum,
        max_packet_size=options.max_packet,
    ).write()


def subscribe(filters: tuple[str, ...]) -> bytes:
    """SUBSCRIBE at QoS 1, said on every connection: a broker that forgot is told again."""
    # Retained messages come with a new subscription only: a restart is not flooded with them.
    wanted = [
        mqtt5.TopicFilter(
            pattern,
            max_qos=QoS.AT_LEAST_ONCE,
            retain_handling=RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS,
        )
        for pattern in filters
    ]
    return mqtt5.SubscribePacket(_SUBSCRIBE_ID, wanted).write()


def acknowledgements(packet_ids: Sequence[int]) -> bytes:
    """PUBACK of each of these: taken, nothing else to say."""
    acknowledged = [_PUBACK | packet_id for packet_id in packet_ids]
    return struct.pack(f">{len(acknowledged)}I", *acknowledged)


def publish(packet_id: int, message: Outgoing, *, duplicate: bool) -> bytes:
    """PUBLISH at QoS 1."""
    return mqtt5.PublishPacket(
        message.topic,
        message.payload,
        qos=QoS.AT_LEAST_ONCE,
        retain=message.retain,
        packet_id=packet_id,
        duplicate=duplicate,
        message_expiry_interval=message.expiry_s,
    ).write()


def goodbye(farewell: Outgoing | None, *, will: bool) -> bytes:
    """What is said when leaving on purpose. Without a farewell the will stands: it speaks unless
    somebody else goes on with the session before its delay is over."""
    if farewell is None:
        reason = DisconnectReasonCode.NORMAL_DISCONNECTION
        if will:
            reason = DisconnectReasonCode.DISCONNECT_WITH_WILL_MESSAGE
        return mqtt5.DisconnectPacket(reason_code=reason).write()
    packet = mqtt5.PublishPacket(farewell.topic, farewell.payload, retain=farewell.retain)
    return packet.write() + mqtt5.DisconnectPacket().write()


def decode(packet: memoryview) -> mqtt5.Packet:
    """One whole packet. Raises FrameError for what makes no sense."""
    try:
        return mqtt5.read(packet)[0]
    except (IndexError, ValueError) as error:
        raise FrameError(f"a malformed packet: {error}") from None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - invalid UTF-8 ends in a Rust panic
        raise FrameError(f"a malformed packet: {type(error).__name__}") from None
