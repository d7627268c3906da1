"""Ports nobody listens on."""

import secrets
import socket
from pathlib import Path
from typing import Final

# Where the system says from which ports it takes one for a connection that goes out.
_GIVEN_AWAY: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
# Above the ports that servers are known by, as far as there are fewer of them.
_LOWEST: Final = 20_000
_TRIES: Final = 50


def free_port(host: str = "127.0.0.1", *, row: int = 1) -> int:
    """A TCP port that is free on `host` right now, the first of `row` such ports in a row.

    Not one that the system may give to anybody's outgoing connection: whoever keeps the port
    finds it again after a restart. Chosen by chance, so that two who ask at once get two; somebody
    else may still take it.
    """
    places = _quiet_places() - row
    if places > _TRIES:
        for _ in range(_TRIES):
            port = _LOWEST + secrets.randbelow(places)
            if all(is_free(port + n, host) for n in range(row)):
                return port
    while True:
        port = _any_port(host)
        if all(is_free(port + n, host) for n in range(row)):
            return port


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    if port > 65_535:
        return False
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        # A connection that just ended keeps no server from listening.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _quiet_places() -> int:
    """How many ports from the lowest on no outgoing connection is given."""
    try:
        first = int(_GIVEN_AWAY.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 0
    return first - _LOWEST


def _any_port(host: str) -> int:
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
