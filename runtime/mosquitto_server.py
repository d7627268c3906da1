"""A Mosquitto of our own: a child process with generated configuration and two listeners.

Devices speak to the first listener, where the client id is the user name; the hub's own services
to the second, on loopback, with client ids of their own. The broker is volatile by design:
persistence runs on a timer and keeps sessions, a reading is safe only with the hub's receipt.
"""

import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from runtime import mqtt_probe, running
from runtime.account import CannotRunServerError, service_account, start_as
from runtime.free_port import free_port, is_free
from runtime.mosquitto_password import hash_password
from runtime.private_files import kept_secret, private_directory, write_private

_LOG = structlog.get_logger()
_LOOPBACK: Final = "127.0.0.1"
_STOP = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 2.0))
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


class MosquittoServer:
    """One broker in one directory. `start` and `stop` block; call them from the main thread.

    `acl` is the text of its ACL file; `services` are the users of the second listener, whose
    random passwords are kept in `home/secrets`. Ports not given are kept from the last start,
    or taken free.
    """

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
        self.home = home.absolute()
        self.address = address
        self.services = services
        self._acl = acl
        self._tls = tls
        self._given = {"port": port, "hub_port": hub_port}
        self._secrets = secrets or self.home / "secrets"
        self._log = log or self.home / "mosquitto.log"
        self._account = service_account()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port or running.read_pid(self.home / "port") or 0
        self.hub_port = hub_port or running.read_pid(self.home / "hub_port") or 0

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def service_url(self, service: str) -> str:
        """Where one of the hub's services connects, with its password."""
        return f"mqtt://{service}:{self._secret(service)}@{_LOOPBACK}:{self.hub_port}"

    def start(self, timeout_s: float = 15.0) -> None:
        """Start the broker and return when it lets a client in. Raises CannotRunServerError."""
        self.prepare()
        self.spawn()
        if not self.wait_ready(timeout_s):
            self.kill()
            raise CannotRunServerError(f"Mosquitto does not start: {self._last_words()}")

    def prepare(self) -> None:
        """Make directories and files, and stop a broker that outlived whoever started it."""
        private_directory(self.home, self._account)
        private_directory(self.home / "data", self._account)
        private_directory(self._secrets)
        self._end_leftover()
        write_private(self.home / "acl", self._acl, self._account)
        if not (self.home / "passwords").exists():
            self.write_users({})

    def spawn(self) -> None:
        """Start the process, without waiting for it."""
        self.port = self._settle("port", self.port, self.address)
        self.hub_port = self._settle("hub_port", self.hub_port, _LOOPBACK)
        write_private(self._configuration, self._configuration_text(), self._account)
        with self._log.open("ab") as output:
            self._log.chmod(0o600)
            self._process = start_as(
                self._account,
                [program(), "-c", str(self._configuration)],
                reach=(self._configuration,),
                death_signal="TERM",
                output=output.fileno(),
            )
        write_private(self.home / "pid", f"{self._process.pid}\n")

    def wait_ready(self, timeout_s: float = 15.0) -> bool:
        """Wait until a client is let in; False when the process ended or the time is up."""
        running.wait_until(lambda: self.pid is None or self.has_taken_over(), timeout_s)
        return self.pid is not None and self.has_taken_over()

    def stop(self) -> None:
        """Stop cleanly: sessions and queues are written."""
        if self._process is None:
            return
        for number, patience in _STOP:
            self._process.send_signal(number)
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
            break
        self._process = None

    def kill(self) -> None:
        """Kill -9, as a test or a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def write_users(self, hashes: Mapping[str, str]) -> None:
        """Replace the password file: our own services and these users with their hashes.

        It takes effect with `reload`, or at the next start.
        """
        probe = time.time_ns()
        write_private(self._secrets / _PROBE, f"{probe}")
        own = {name: hash_password(self._secret(name)) for name in (*self.services, _PROBE)}
        lines = [f"{name}:{hashed}\n" for name, hashed in {**hashes, **own}.items()]
        write_private(self.home / "passwords", "".join(lines), self._account)

    def reload(self) -> None:
        """Make the running broker read its password file; removed users lose their session.

        It pauses the broker (30 to 350 ms with 10,000 users): at most once a second.
        """
        if self._process is not None and self.pid is not None:
            self._process.send_signal(signal.SIGHUP)

    def has_taken_over(self) -> bool:
        """Whether the broker runs and works with the password file as last written."""
        secret = self._secret(_PROBE)
        code = mqtt_probe.connect_code(_LOOPBACK, self.hub_port, _PROBE, secret)
        return code == mqtt_probe.ACCEPTED

    @property
    def _configuration(self) -> Path:
        return self.home / "mosquitto.conf"

    def _configuration_text(self) -> str:
        text = _CONFIGURATION.format(
            home=self.home, hub_port=self.hub_port, port=self.port, address=self.address
        )
        return text + (_TLS.format(**self._tls._asdict()) if self._tls else "")

    def _secret(self, name: str) -> str:
        return kept_secret(self._secrets / name)

    def _end_leftover(self) -> None:
        pid = running.read_pid(self.home / "pid")
        if pid is None or str(self._configuration) not in running.command_line(pid):
            return
        _LOG.warning("leftover_mosquitto_stopped", pid=pid)
        if not running.end_process(pid, *_STOP):
            raise CannotRunServerError(f"Mosquitto {pid} uses {self.home} and does not end")

    def _settle(self, name: str, port: int, address: str) -> int:
        if port and running.wait_until(lambda: is_free(port, address), 3.0):
            return port
        if self._given[name]:
            raise CannotRunServerError(
                f"port {port} on {address} is taken: stop what listens there, or choose another"
            )
        chosen = free_port(address)
        write_private(self.home / name, f"{chosen}\n")
        return chosen

    def _last_words(self) -> str:
        text = self._log.read_text(encoding="utf-8", errors="replace")
        return " / ".join(text.splitlines()[-3:])


def program() -> str:
    """Where Mosquitto is installed. Raises CannotRunServerError when it is not."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise CannotRunServerError("mosquitto is missing: apt-get install mosquitto")
    return found
