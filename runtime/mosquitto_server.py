"""A Mosquitto of our own: a child process with generated configuration and its listeners.

Clients speak to the first listener, where the client id is the user name; our own services to the
second, on loopback, with client ids of their own. With `secured` there are two more, with TLS: one
for passwords, and one for certificates, where the certificate's common name is the user name. The
broker is volatile by design: persistence runs on a timer and keeps sessions.
"""

import hashlib
import secrets as random_secrets
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

from runtime import mqtt_probe, running
from runtime.account import CannotRunServerError
from runtime.authority import TlsFiles
from runtime.embedded_server import EmbeddedServer
from runtime.free_port import is_free
from runtime.mosquitto_password import hash_password
from runtime.private_files import private_directory, write_private

_LOOPBACK: Final = "127.0.0.1"
# Nobody works as this user. Its password and the one topic it may write change with every change
# of the files, which shows when the broker has taken them over.
_PROBE: Final = "hub-probe"
_USUAL: Final = {"password_port": 8884, "certificate_port": 8883}

# max_queued_*: 0 is no limit; with one, Mosquitto drops and tells the publisher success.
# max_packet_size, never message_size_limit: the latter acknowledges what it throws away. It is the
# largest payload of HH/1 and 4 KiB: who is a little over it is told so (E5001), not cut off.
_CONFIGURATION = """\
# Written at every start.
per_listener_settings false
allow_anonymous false
password_file {home}/passwords
acl_file {home}/acl
persistence true
persistence_location {home}/data/
autosave_interval 3
persistent_client_expiration 1d
max_queued_messages 0
max_queued_bytes 0
max_inflight_messages 5000
max_packet_size 135168
set_tcp_nodelay true
sys_interval 10
log_dest stderr
log_type error
log_type warning
log_type notice
log_timestamp_format %Y-%m-%dT%H:%M:%S

listener {hub_port} 127.0.0.1
use_username_as_clientid false

listener {port} {address}
use_username_as_clientid true
"""
_TLS = """\
certfile {certificate}
keyfile {key}
tls_version tlsv1.2
"""
_PASSWORDS = """
listener {port} {address}
use_username_as_clientid true
"""
# The client id is the common name too: nobody takes over the session of another.
_CERTIFICATES = """
listener {port} {address}
cafile {home}/ca.crt
crlfile {home}/revoked.crl
require_certificate true
use_identity_as_username true
use_username_as_clientid true
"""


class Secured(NamedTuple):
    """The two listeners with TLS: the server's certificate, whose clients get in, their ports.

    `revocations` is the list of revoked certificates to begin with, where none is kept. A port of
    None is the kept one, else the usual one if it is free; 0 is the kept one, else any.
    """

    server: TlsFiles
    authority_pem: str
    revocations: str
    password_port: int | None = None
    certificate_port: int | None = None


class MosquittoServer(EmbeddedServer):
    """One broker in one directory.

    `acl` is the text of its ACL file to begin with; `services` are the users of the second
    listener, with random passwords. Ports not given are kept from the last start, or taken free.
    """

    name: ClassVar[str] = "mosquitto"
    death_signal: ClassVar[str] = "TERM"
    patience_s: ClassVar[float] = 60.0
    stop_signals = ((signal.SIGTERM, 3.0), (signal.SIGKILL, 2.0))

    def __init__(
        self,
        home: Path,
        *,
        acl: str,
        services: tuple[str, ...] = (),
        port: int | None = None,
        hub_port: int | None = None,
        address: str = _LOOPBACK,
        tls: TlsFiles | None = None,
        secured: Secured | None = None,
        log: Path | None = None,
        secrets: Path | None = None,
    ) -> None:
        """`address` and `tls` are of the first listener; the second one is plain, on loopback.

        `secured` adds the two with TLS, on `address` too.
        """
        super().__init__(home, log, secrets)
        self.address = address
        self.services = services
        self._acl = acl
        self._tls = tls
        self.secured = secured
        self._given = bool(port)
        self._hub_given = bool(hub_port)
        self.port = port or self._kept_port("port")
        self.hub_port = hub_port or self._kept_port("hub_port")
        self.password_port = self.certificate_port = 0
        if secured is not None:
            self.password_port = self._wished("password_port", secured.password_port)
            self.certificate_port = self._wished("certificate_port", secured.certificate_port)

    def _wished(self, name: str, asked: int | None) -> int:
        usual = _USUAL[name] if asked is None and is_free(_USUAL[name], self.address) else 0
        return asked or self._kept_port(name) or usual

    def service_url(self, service: str) -> str:
        """Where one of the hub's services connects, with its password."""
        return f"mqtt://{service}:{self._secret(service)}@{_LOOPBACK}:{self.hub_port}"

    def prepare(self) -> None:
        """Make directories and files, and stop a broker that outlived whoever started it."""
        private_directory(self.home, self.account)
        private_directory(self.home / "data", self.account)
        pid = running.read_pid(self.home / "pid")
        if pid is not None and str(self._configuration) in running.command_line(pid):
            self._end_leftover(pid)
        self.port = self._settle("port", self.port, given=self._given, address=self.address)
        self.hub_port = self._settle("hub_port", self.hub_port, given=self._hub_given)
        if self.secured is not None:
            self._prepare_secured(self.secured)
        write_private(self._configuration, self._configuration_text(), self.account)
        if (self.home / "passwords").exists():
            self._write_acl()
        else:
            self.write_users({})

    def _prepare_secured(self, secured: Secured) -> None:
        for name in _USUAL:
            given, port = bool(getattr(secured, name)), getattr(self, name)
            setattr(self, name, self._settle(name, port, given=given, address=self.address))
        write_private(self.home / "ca.crt", secured.authority_pem, self.account)
        if not self._revocations.exists():
            write_private(self._revocations, secured.revocations, self.account)

    def spawn(self) -> None:
        """Start the process, without waiting for it."""
        command = [program(), "-c", str(self._configuration)]
        pid = self._launch(command, reach=(self._configuration,))
        write_private(self.home / "pid", f"{pid}\n")

    def is_ready(self) -> bool:
        """Whether it works with the newest files."""
        return self.has_taken_over()

    def write_users(
        self, hashes: Mapping[str, str], *, acl: str | None = None, revocations: str | None = None
    ) -> None:
        """Replace the password file: our own services and these users with their hashes.

        With `acl` and `revocations` also the access list and the list of revoked certificates. It
        takes effect with `reload`, or at the next start.
        """
        private_directory(self._secrets)
        write_private(self._secrets / _PROBE, random_secrets.token_hex(16))
        self._acl = self._acl if acl is None else acl
        self._write_acl()
        if revocations is not None:
            write_private(self._revocations, revocations, self.account)
        own = {name: hash_password(self._secret(name)) for name in (*self.services, _PROBE)}
        lines = [f"{name}:{hashed}\n" for name, hashed in {**hashes, **own}.items()]
        write_private(self.home / "passwords", "".join(lines), self.account)

    def _write_acl(self) -> None:
        probe = f"\nuser {_PROBE}\ntopic write {self._probe_topic()}\n"
        write_private(self.home / "acl", self._acl + probe, self.account)

    def reload(self) -> None:
        """Make the running broker read its files; users who were removed lose their session.

        Who came in by a certificate that is revoked now does not (see `evict`). It pauses the
        broker (30 to 350 ms with 10,000 users): at most once a second.
        """
        if self._process is not None and self.pid is not None:
            self._process.send_signal(signal.SIGHUP)

    def has_taken_over(self) -> bool:
        """Whether the broker runs and works with passwords and access list as last written."""
        secret, topic = self._secret(_PROBE), self._probe_topic()
        return mqtt_probe.may_write(_LOOPBACK, self.hub_port, _PROBE, secret, topic)

    def evict(self, client_id: str) -> bool:
        """End this client's session, by taking it over for a moment; whether the broker did."""
        code = mqtt_probe.connect_code(
            _LOOPBACK, self.hub_port, _PROBE, self._secret(_PROBE), client_id=client_id
        )
        return code == mqtt_probe.ACCEPTED

    def _probe_topic(self) -> str:
        return f"probe/{hashlib.sha256(self._secret(_PROBE).encode()).hexdigest()[:16]}"

    @property
    def _revocations(self) -> Path:
        return self.home / "revoked.crl"

    @property
    def _configuration(self) -> Path:
        return self.home / "mosquitto.conf"

    def _configuration_text(self) -> str:
        text = _CONFIGURATION.format(
            home=self.home, hub_port=self.hub_port, port=self.port, address=self.address
        )
        text += _TLS.format(**self._tls._asdict()) if self._tls else ""
        if self.secured is not None:
            tls = _TLS.format(**self.secured.server._asdict())
            for listener, port in (
                (_PASSWORDS, self.password_port),
                (_CERTIFICATES, self.certificate_port),
            ):
                text += listener.format(port=port, address=self.address, home=self.home) + tls
        return text


def program() -> str:
    """Where Mosquitto is installed. Raises CannotRunServerError when it is not."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise CannotRunServerError("mosquitto is missing: apt-get install mosquitto")
    return found
