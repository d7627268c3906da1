"""Asks a broker one question: would you let this user in? A bare CONNECT of MQTT 3.1.1."""

import secrets
import socket
from typing import Final

ACCEPTED: Final = 0
REFUSED: Final = 5


def connect_code(host: str, port: int, user: str, password: str, timeout_s: float = 2.0) -> int:
    """The broker's return code: 0 accepted, 4 or 5 refused; -1 when nobody answers.

    The client id is new every time and the session ends at once, so no live one is disturbed.
    """
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as link:
            link.settimeout(timeout_s)
            link.sendall(_connect(f"probe-{secrets.token_hex(6)}", user, password))
            answer = _exactly(link, 4)
            link.sendall(b"\xe0\x00")
    except OSError:
        return -1
    return answer[3] if answer[:1] == b"\x20" and len(answer) == 4 else -1


def _connect(client_id: str, user: str, password: str) -> bytes:
    # Flags: user name, password, clean session. Keep alive: 10 s.
    body = _text("MQTT") + bytes([4, 0b1100_0010]) + (10).to_bytes(2, "big")
    body += _text(client_id) + _text(user) + _text(password)
    return b"\x10" + _length(len(body)) + body


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


def _exactly(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = link.recv(size - len(data))
        if not piece:
            break
        data += piece
    return data
