"""MQTT by the byte: what no client library lets a test send."""

import socket
from types import TracebackType
from typing import Self

import mqtt5

from tests.fixtures.fix_broker import LiveBroker


class Wire:
    """One connection of a device; `send` writes packets, `read` reads one."""

    def __init__(self, broker: LiveBroker, user: str, *, client_id: str | None = None) -> None:
        self._link = socket.create_connection((broker.host, broker.port), 5.0)
        self._unread = bytearray()
        connect = mqtt5.ConnectPacket(
            client_id or user,
            username=user,
            password=user.encode(),
            clean_start=True,
        )
        self.send(connect.write())
        self.greeting = self.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._link.close()

    def send(self, packet: bytes) -> None:
        """Bytes to the broker."""
        self._link.sendall(packet)

    def publish(self, topic: str, payload: bytes, packet_id: int, *, dup: bool = False) -> bytes:
        """A PUBLISH of QoS 1, as bytes."""
        return mqtt5.PublishPacket(
            topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=packet_id, duplicate=dup
        ).write()

    def read(self) -> mqtt5.Packet | None:
        """The next packet; None when the broker has closed the connection, or says nothing."""
        while True:
            try:
                packet, length = mqtt5.read(memoryview(self._unread))
            except IndexError:
                pass
            else:
                self._unread = self._unread[length:]
                return packet
            try:
                more = self._link.recv(65536)
            except (TimeoutError, ConnectionError):
                return None
            if not more:
                return None
            self._unread += more

    def taken(self, packets: int) -> None:
        """Wait until the broker has acknowledged so many; closing earlier would lose some."""
        for _ in range(packets):
            assert isinstance(self.read(), mqtt5.PubAckPacket)

    def acknowledged(self, topic: str, payload: bytes) -> str:
        """Publish once; the reason of the broker's answer, or how it ended."""
        self.send(self.publish(topic, payload, 1))
        answer = self.read()
        if answer is None:
            return "CLOSED"
        reason = getattr(answer, "reason_code", None)
        return reason.name if reason is not None else type(answer).__name__


def raw_publish(topic: bytes, payload: bytes) -> bytes:
    """A PUBLISH of QoS 1 with any bytes as its topic."""
    body = len(topic).to_bytes(2) + topic + (1).to_bytes(2) + b"\x00" + payload
    length, encoded = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        encoded.append(digit | (0x80 if length else 0))
        if not length:
            return b"\x32" + bytes(encoded) + body
