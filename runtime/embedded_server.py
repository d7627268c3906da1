"""What the embedded servers have in common: a home, kept ports and secrets, a direct child."""

import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import structlog

from runtime import running
from runtime.account import CannotRunServerError, service_account, start_as
from runtime.free_port import free_port, is_free
from runtime.private_files import kept_secret, private_directory, write_private

_LOG = structlog.get_logger()
# Two starts may pick the same free port at the same moment; the next try takes another.
TRIES = 4


class EmbeddedServer(ABC):
    """One server in one directory, with its ports and secrets kept from start to start.

    Everything blocks. `spawn` (and so `start`) belongs to the main thread: the server is told to
    end when the thread that started it does. `prepare` and `wait_ready` may run anywhere.
    """

    name: ClassVar[str]
    death_signal: ClassVar[str]
    # Seconds for a start. A database may have a long log to recover; killing it over that, again
    # and again, would keep it from ever getting there.
    patience_s: ClassVar[float]
    # What a stop sends, one after another, with the seconds it waits after each.
    stop_signals: ClassVar[tuple[tuple[signal.Signals, float], ...]]

    def __init__(self, home: Path, log: Path | None, secrets: Path | None) -> None:
        """Nothing is touched before `prepare`."""
        self.home = home.absolute()
        self.account = service_account()
        self._secrets = secrets or self.home / "secrets"
        self._log = log or self.home / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        # Once others know our ports, they stay.
        self._known = False

    @abstractmethod
    def prepare(self) -> None:
        """Make what is missing on disk and end a server left over from an unclean stop."""

    @abstractmethod
    def spawn(self) -> None:
        """Start the process, without waiting for it."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it answers a real client now."""

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def ended_with(self) -> int | None:
        """Its exit code, minus the signal that killed it; None while it runs."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start the server and return when it answers. Raises CannotRunServerError."""
        for _ in range(TRIES):
            self.prepare()
            self.spawn()
            if self.wait_ready():
                return
            self.kill()
        raise CannotRunServerError(f"{self.name} does not start: {self.last_words()}")

    def wait_ready(self) -> bool:
        """Wait until it answers; False when the process ended or its patience did."""
        running.wait_until(lambda: self.pid is None or self.is_ready(), self.patience_s, 0.05)
        ready = self.pid is not None and self.is_ready()
        self._known = self._known or ready
        return ready

    def stop(self) -> None:
        """Stop cleanly, in the end by force."""
        for number, patience in self.stop_signals:
            if self._process is None:
                return
            self._process.send_signal(number)
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                _LOG.warning("server_slow_to_stop", server=self.name, sent=number.name)
                continue
            self._process = None

    def kill(self) -> None:
        """Kill -9, as a test or a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def last_words(self) -> str:
        """The end of its log, for an error message."""
        if not self._log.exists():
            return "it wrote no log"
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return " / ".join(lines[-3:])

    def _launch(self, command: Sequence[str], reach: Sequence[Path]) -> int:
        with self._log.open("ab") as output:
            self._log.chmod(0o600)
            self._process = start_as(
                self.account,
                command,
                reach=reach,
                death_signal=self.death_signal,
                output=output.fileno(),
            )
        return self._process.pid

    def _secret(self, name: str) -> str:
        private_directory(self._secrets)
        return kept_secret(self._secrets / name)

    def _end_leftover(self, pid: int) -> None:
        _LOG.warning("leftover_server_stopped", server=self.name, pid=pid)
        if not running.end_process(pid, *self.stop_signals):
            raise CannotRunServerError(f"{self.name} {pid} uses {self.home} and does not end")

    def _kept_port(self, name: str) -> int:
        return running.read_pid(self.home / name) or 0

    def _settle(self, name: str, port: int, *, given: bool, address: str = "127.0.0.1") -> int:
        """The port if nobody else has it; one that was not `given` may change, and is kept."""
        # Whoever held it a moment ago may be our own server, about to be gone.
        if port and running.wait_until(lambda: is_free(port, address), 3.0):
            return port
        if given or self._known:
            raise CannotRunServerError(
                f"port {port} on {address} is taken: stop what listens there or choose another"
            )
        if port:
            _LOG.warning("kept_port_taken", server=self.name, port=port)
        chosen = free_port(address)
        write_private(self.home / name, f"{chosen}\n")
        return chosen
