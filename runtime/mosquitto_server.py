"""A Mosquitto of our own: a child process with generated configuration and two listeners.

Devices speak to the first listener, where the client id is the user name; the hub's own services
to the second, on loopback, with client ids of their own. The broker is volatile by design:
persistence runs on a timer and keeps sessions, a reading is safe only with the hub's receipt.
"""

import secrets as random_secrets
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

from runtime import mqtt_probe, running
from runtime.account import CannotRunServerError
from runtime.embedded_server import EmbeddedServer
from runtime.mosquitto_password import hash_password
from runtime.private_files import private_directory, write_private

_LOOPBACK: Final = "127.0.0.1"
# Nobody works as this user. Its password changes with every file, which shows when the broker
# has taken a new file over.
_PROBE: Final = "hub-probe"

# max_queued_*: 0 is no limit; with one, Mosquitto drops and tells the publisher success.
# max_packet_size, never message_size_limit: the latter acknowledges what it throws away.
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
max_inflight_messages 1500
max_packet_size 131072
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


class TlsFiles(NamedTuple):
    """A certificate chain and its private key, both PEM."""

    certificate: Path
    key: Path


class MosquittoServer(EmbeddedServer):
    """One broker in one directory.

    `acl` is the text of its ACL file; `services` are the users of the second listener, with
    random passwords. Ports not given are kept from the last start, or taken free.
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
        log: Path | None = None,
        secrets: Path | None = None,
    ) -> None:
        """`address` and `tls` are of the devices' listener; the other one is plain, on loopback."""
        super().__init__(home, log, secrets)
        self.address = address
        self.services = services
        self._acl = acl
        self._tls = tls
        self._given = bool(port)
        self._hub_given = bool(hub_port)
        self.port = port or self._kept_port("port")
        self.hub_port = hub_port or self._kept_port("hub_port")

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
        write_private(self.home / "acl", self._acl, self.account)
        write_private(self._configuration, self._configuration_text(), self.account)
        if not (self.home / "passwords").exists():
            self.write_users({})

    def spawn(self) -> None:
        """Start the process, without waiting for it."""
        command = [program(), "-c", str(self._configuration)]
        pid = self._launch(command, reach=(self._configuration,))
        write_private(self.home / "pid", f"{pid}\n")

    def is_ready(self) -> bool:
        """Whether it lets a client in that knows the newest password."""
        return self.has_taken_over()

    def write_users(self, hashes: Mapping[str, str]) -> None:
        """Replace the password file: our own services and these users with their hashes.

        It takes effect with `reload`, or at the next start.
        """
        private_directory(self._secrets)
        write_private(self._secrets / _PROBE, random_secrets.token_hex(16))
        own = {name: hash_password(self._secret(name)) for name in (*self.services, _PROBE)}
        lines = [f"{name}:{hashed}\n" for name, hashed in {**hashes, **own}.items()]
        write_private(self.home / "passwords", "".join(lines), self.account)

    def reload(self) -> None:
        """Make the running broker read its password file; removed users lose their session.

        It pauses the broker (30 to 350 ms with 10,000 users): at most once a second.
        """
        if self._process is not None and self.pid is not None:
            self._process.send_signal(signal.SIGHUP)

    def has_taken_over(self) -> bool:
        """Whether the broker runs and works with the password file as last written."""
        code = mqtt_probe.connect_code(_LOOPBACK, self.hub_port, _PROBE, self._secret(_PROBE))
        return code == mqtt_probe.ACCEPTED

    @property
    def _configuration(self) -> Path:
        return self.home / "mosquitto.conf"

    def _configuration_text(self) -> str:
        text = _CONFIGURATION.format(
            home=self.home, hub_port=self.hub_port, port=self.port, address=self.address
        )
        return text + (_TLS.format(**self._tls._asdict()) if self._tls else "")


def program() -> str:
    """Where Mosquitto is installed. Raises CannotRunServerError when it is not."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise CannotRunServerError("mosquitto is missing: apt-get install mosquitto")
    return found
