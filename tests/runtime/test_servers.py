"""The embedded servers as they are: who they run as, what they promise, how they come back."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from runtime import mqtt_probe
from runtime.account import CannotRunServerError
from runtime.mosquitto_server import MosquittoServer
from runtime.postgres_programs import wheel
from runtime.postgres_server import PostgresServer
from runtime.running import is_alive, wait_until
from tests.fixtures.fix_place import short_lived_directory

ROOT = Path(__file__).parents[2]
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

_START_BOTH = """
import sys
from pathlib import Path
from runtime.mosquitto_server import MosquittoServer
from runtime.postgres_server import PostgresServer

home = Path(sys.argv[1])
servers = PostgresServer(home / "pg"), MosquittoServer(home / "mq", acl="")
for server in servers:
    server.start()
print(*(server.pid for server in servers), flush=True)
if sys.argv[2] == "stay":
    sys.stdin.read()
for server in servers:
    server.stop()
"""


def owner(pid):
    return Path(f"/proc/{pid}").stat().st_uid


def test_postgres_promises_what_it_must(postgres):
    """Commits are durable, time is UTC, text is UTF-8, and the application is no superuser."""
    asked = ["fsync", "synchronous_commit", "full_page_writes", "data_checksums"]
    asked += ["timezone", "server_encoding"]
    with psycopg.connect(postgres.url) as conn:
        said = [conn.execute(f"SHOW {name}").fetchone()[0] for name in asked]
        (is_super,) = conn.execute("SELECT rolsuper FROM pg_roles WHERE rolname = user").fetchone()
    assert said == ["on", "on", "on", "on", "UTC", "UTF8"]
    assert is_super is False
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url, password="wrong")


def test_a_path_of_any_length_with_spaces_will_do():
    """No socket file: 200 bytes of path and a space are no matter, for either server."""
    with short_lived_directory("long name") as place:
        home = place / ("x" * 100) / ("y" * 100)
        servers = PostgresServer(home / "pg"), MosquittoServer(home / "mq", acl="")
        for server in servers:
            server.start()
            assert server.pid
            server.stop()


@pytest.mark.parametrize("account", ["root", pytest.param("nobody", marks=AS_ROOT)])
def test_servers_run_unprivileged_and_end_with_their_starter(account):
    """Started by root or by an ordinary user: never root's, and gone when the starter is killed."""
    with short_lived_directory("owner") as place:
        place.chmod(0o777)
        # An ordinary user of this machine could not read an interpreter below /root.
        reach = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
        become = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *reach, "--"]
        command = [sys.executable, "-c", _START_BOTH, str(place / "home"), "stay"]
        starter = subprocess.Popen(
            [*become, *command] if account == "nobody" else command,
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            cwd=ROOT,
        )
        pids = [int(pid) for pid in starter.stdout.readline().split()]
        assert len(pids) == 2
        assert all(owner(pid) != 0 for pid in pids)
        starter.kill()
        starter.wait()
        assert wait_until(lambda: not any(map(is_alive, pids)), 15.0)


@AS_ROOT
def test_an_installation_below_a_closed_directory_runs(tmp_path):
    """Under /root, which only root may enter, PostgreSQL runs all the same, as somebody else."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = wheel().parent
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, closed / folder.name, symlinks=True)
    done = subprocess.run(
        [sys.executable, "-c", _START_BOTH, str(tmp_path / "home"), "go"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        env={**os.environ, "PYTHONPATH": str(closed)},
    )
    assert done.returncode == 0, done.stderr


def start_both_with(capabilities, home):
    line = ["setpriv", f"--bounding-set={capabilities}", "--", sys.executable, "-c", _START_BOTH]
    command = [*line, str(home), "go"]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


@AS_ROOT
def test_a_container_that_took_one_capability_is_fine(tmp_path):
    """Without the right to read everywhere, which containers usually drop: both servers run."""
    done = start_both_with("-dac_read_search", tmp_path / "home")
    assert done.returncode == 0, done.stderr


@AS_ROOT
def test_a_root_that_may_be_nobody_else_is_told_what_to_do(tmp_path):
    """All capabilities dropped: PostgreSQL cannot run, and the message says the ways out."""
    done = start_both_with("-all", tmp_path / "home")
    assert done.returncode == 1
    assert "ordinary user" in done.stderr
    assert "setuid" in done.stderr


def test_an_interrupted_first_start_leaves_nothing_half():
    """A cluster that initdb did not finish is made again."""
    with short_lived_directory("half") as home:
        (home / "data.new").mkdir()
        (home / "data.new" / "PG_VERSION").write_text("18\n")
        server = PostgresServer(home)
        server.start()
        server.stop()
        assert not (home / "data.new").exists()


def test_another_version_of_the_data_is_said_so():
    """Data of another PostgreSQL is not touched; the message names both versions."""
    with short_lived_directory("version") as home:
        (home / "data").mkdir()
        (home / "data" / "PG_VERSION").write_text("15\n")
        with pytest.raises(CannotRunServerError, match=r"made by PostgreSQL 15.*18"):
            PostgresServer(home).start()
        assert [p.name for p in (home / "data").iterdir()] == ["PG_VERSION"]


def test_a_leftover_server_is_stopped_before_the_next(tmp_path):
    """A server still alive from an unclean stop keeps its committed rows and gives way."""
    with short_lived_directory("leftover") as home:
        first = PostgresServer(home)
        first.start()
        with psycopg.connect(first.url) as conn:
            conn.execute("CREATE TABLE kept AS SELECT 1 AS one")
        second = PostgresServer(home)
        second.start()
        assert first.pid is None
        assert second.port == first.port
        with psycopg.connect(second.url) as conn:
            assert conn.execute("SELECT one FROM kept").fetchone() == (1,)
        second.stop()


def test_a_server_that_cannot_start_says_why():
    """The last lines of its log are in the message."""
    with short_lived_directory("broken") as home:
        server = MosquittoServer(home, acl="nonsense\n")
        with pytest.raises(CannotRunServerError, match="acl"):
            server.start()


def test_the_brokers_passwords_are_mosquittos_own(broker):
    """A hash made here is believed by a real Mosquitto; other secrets are not."""
    broker.add_node("gw00000001", "right")
    line = (broker.server.home / "passwords").read_text().splitlines()[0]
    assert line.startswith("gw00000001:$7$101$")
    codes = [
        mqtt_probe.connect_code(broker.host, broker.port, "gw00000001", secret)
        for secret in ("right", "wrong", "")
    ]
    assert codes == [0, 5, 5]


def test_nobody_is_anonymous_and_everything_is_loopback(broker):
    """No user: refused, on both listeners; and neither listens on another address."""
    for port in (broker.port, broker.hub_port):
        assert mqtt_probe.connect_code(broker.host, port, "", "") in (4, 5)
        assert mqtt_probe.connect_code("127.0.0.2", port, "", "") == -1
