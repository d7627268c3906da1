"""Asks a broker one question at a time, with bare packets: would you let this user in, write this?

Also ends somebody's session: a broker lets one connection in under one client id.
"""

import secrets
import socket
from typing import Final

ACCEPTED: Final = 0
REFUSED: Final = 5
NOBODY: Final = -1

_V311: Final = 4
_V5: Final = 5


def connect_code(
    host: str,
    port: int,
    user: str,
    password: str,
    timeout_s: float = 2.0,
    *,
    client_id: str | None = None,
) -> int:
    """The broker's return code: 0 accepted, 4 or 5 refused; -1 when nobody answers.

    The session ends at once. Without `client_id` it is new every time, so no live one is
    disturbed; with the client id of somebody else, theirs ends, and what waited for it is dropped.
    """
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as link:
            link.settimeout(timeout_s)
            link.sendall(_connect(client_id or _some_id(), user, password, _V311))
            answer = _exactly(link, 4)
            link.sendall(b"\xe0\x00")
    except OSError:
        return NOBODY
    return answer[3] if answer[:1] == b"\x20" and len(answer) == 4 else NOBODY


def may_write(
    host: str, port: int, user: str, password: str, topic: str, timeout_s: float = 2.0
) -> bool:
    """Whether the broker lets this user in and takes a message from it on this topic."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as link:
            link.settimeout(timeout_s)
            link.sendall(_connect(_some_id(), user, password, _V5))
            kind, body = _packet(link)
            if kind != 0x20 or body[1:2] != b"\0":
                return False
            link.sendall(_publish(topic))
            kind, body = _packet(link)
            link.sendall(b"\xe0\x00")
    except OSError:
        return False
    # An acknowledgement without a reason code is a success; from 0x80 on it is a refusal.
    return kind == 0x40 and len(body) >= 2 and (len(body) == 2 or body[2] < 0x80)


def _some_id() -> str:
    return f"probe-{secrets.token_hex(6)}"


def _connect(client_id: str, user: str, password: str, version: int) -> bytes:
    # Flags: user name, password, clean session. Keep alive: 10 s. MQTT 5: no properties.
    body = _text("MQTT") + bytes([version, 0b1100_0010]) + (10).to_bytes(2, "big")
    body += b"\0" if version == _V5 else b""
    body += _text(client_id) + _text(user) + _text(password)
    return b"\x10" + _length(len(body)) + body


def _publish(topic: str) -> bytes:
    """MQTT 5, QoS 1, packet 1, no properties, no payload."""
    body = _text(topic) + b"\0\1\0"
    return b"\x32" + _length(len(body)) + body


def _text(value: str) -> bytes:
    raw = value.encode()
    return len(raw).to_bytes(2, "big") + raw


def _length(size: int) -> bytes:
    out = bytearray()
    while True:
        size, digit = divmod(size, 128)
        out.append(digit | (128 if size else 0))
        if not size:
            return bytes(out)


def _packet(link: socket.socket) -> tuple[int, bytes]:
    """The next packet: its first byte and its body; what the broker answers us is short."""
    head = _exactly(link, 2)
    if len(head) < 2 or head[1] > 127:
        return 0, b""
    return head[0], _exactly(link, head[1])


def _exactly(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = link.recv(size - len(data))
        if not piece:
            break
        data += piece
    return data
