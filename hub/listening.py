"""Where the hub listens, and the rule about it: beyond loopback only with TLS or `--insecure`."""

import ipaddress
import socket
from pathlib import Path
from typing import NamedTuple

from hub.settings import Listen
from runtime.account import Account
from runtime.authority import Authority, TlsFiles
from runtime.clock import Clock
from runtime.free_port import free_port, is_free
from runtime.private_files import private_directory, write_private
from runtime.running import read_pid, wait_until


class RefusedError(RuntimeError):
    """The hub will not start like this; the message says what to do."""


class Listening(NamedTuple):
    """The address to bind, the name others use for it, and the certificate if there is one.

    `tls` is for the console and the usual port of devices, where it may be missing; the two ports
    that always have TLS are for `names`, with certificates of the hub's own authority.
    """

    address: str
    name: str
    tls: TlsFiles | None

    @property
    def names(self) -> list[str]:
        """Everything the hub's own certificate has to say."""
        return list(dict.fromkeys([self.name, "localhost", "127.0.0.1", self.local]))

    @property
    def local(self) -> str:
        """An address this machine itself reaches the hub at."""
        wildcard = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised, not bound
        return wildcard.get(self.address, self.address)

    def url(self, port: int) -> str:
        """The console's address."""
        host = f"[{self.name}]" if ":" in self.name else self.name
        return f"{'https' if self.tls else 'http'}://{host}:{port}"


def decide(
    listen: Listen, authority: Authority, folder: Path, clock: Clock, account: Account | None
) -> Listening:
    """Check what was asked for and get the certificate ready. Raises RefusedError."""
    address = _address(listen.address)
    wants_tls = listen.self_signed or listen.tls_certificate is not None
    if (listen.tls_certificate is None) != (listen.tls_key is None):
        raise RefusedError("--tls-cert and --tls-key come together")
    if not (address.is_loopback or wants_tls or listen.insecure):
        raise RefusedError(
            f"--listen {address} goes beyond this machine, and passwords and readings would "
            "travel in clear: give --tls-cert and --tls-key, or --self-signed, or accept it "
            "with --insecure"
        )
    name = listen.public_name or _name(address)
    plain = Listening(str(address), name, None)
    if listen.tls_certificate is not None and listen.tls_key is not None:
        given = _given(listen.tls_certificate, listen.tls_key, folder, account)
        return plain._replace(tls=given)
    if not wants_tls:
        return plain
    return plain._replace(tls=authority.serve_as(folder, plain.names, clock, account))


def settle_port(file: Path, asked: int | None, preferred: int, address: str) -> int:
    """The port asked for, else the one kept in `file`, else a free one, which is kept.

    Asked for nothing (None) the preferred one goes first; asked for 0 any will do.
    """
    port = asked or read_pid(file)
    if not port:
        usual = asked is None and is_free(preferred, address)
        port = preferred if usual else free_port(address)
        write_private(file, f"{port}\n")
    return port


def demand_free(port: int, address: str, option: str) -> None:
    """Raise RefusedError when somebody listens there already, and does not stop within 3 s."""
    if not wait_until(lambda: is_free(port, address), 3.0, every_s=0.1):
        raise RefusedError(f"port {port} on {address} is taken: choose another with {option}")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address("127.0.0.1" if text == "localhost" else text)
    except ValueError as error:
        raise RefusedError(f"--listen takes an address like 192.0.2.7, not {text!r}") from error


def _name(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return socket.gethostname() if address.is_unspecified else str(address)


def _given(certificate: Path, key: Path, folder: Path, account: Account | None) -> TlsFiles:
    """Copies, because the broker's account usually may not read the original key."""
    private_directory(folder, account)
    files = TlsFiles(folder / "given.crt", folder / "given.key")
    try:
        for copy, original in zip(files, (certificate, key), strict=True):
            write_private(copy, original.read_text(encoding="ascii"), account)
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(f"cannot read the certificate or its key: {error}") from error
    return files
