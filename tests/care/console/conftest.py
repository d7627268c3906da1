"""The console as its own process on a real database, and a village for each test."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from psycopg import AsyncConnection

from care.people import token
from runtime.free_port import free_port
from runtime.postgres_server import PostgresServer
from runtime.sealing import prepare_key
from store import session
from store.pool import Connection
from tests.fixtures import fix_database
from tests.fixtures.factories import Factory
from tests.fixtures.fix_browser import DESKTOP, Chromium, Tab

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def console_database(postgres: PostgresServer) -> Iterator[str]:
    """One migrated database for all browser tests; each test has a team of its own."""
    yield from fix_database._fresh(postgres, fix_database._CLONE)


@pytest.fixture(scope="session")
def unit_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key that checks claim codes."""
    path = tmp_path_factory.mktemp("keys") / "unit.key"
    prepare_key(path)
    return path


@pytest.fixture(scope="session")
def console(
    console_database: str, unit_key: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, int]]:
    """The console, running: where it is, and the port of its metrics."""
    port = free_port()
    log = tmp_path_factory.mktemp("console") / "log"
    metrics_port = free_port()
    # NiceGUI behaves otherwise where it finds this variable.
    env = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    env["HEARTHBEAT_METRICS_PORT"] = str(metrics_port)
    command = [
        sys.executable,
        "-m",
        "tests.care.console.serve",
        console_database,
        str(port),
        str(unit_key),
    ]
    with log.open("wb") as output:
        running = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, running, log)
        yield url, metrics_port
    finally:
        running.terminate()
        running.wait(15)
    assert "Traceback" not in log.read_text(), log.read_text()


@pytest.fixture(scope="session")
def console_url(console: tuple[str, int]) -> str:
    """Where the console is."""
    return console[0]


@pytest.fixture(scope="session")
def metrics_url(console: tuple[str, int]) -> str:
    """Where its metrics are read."""
    return f"http://127.0.0.1:{console[1]}/metrics"


def _wait_for(url: str, running: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + 180
    while time.monotonic() < until:
        assert running.poll() is None, log.read_text()
        try:
            httpx.get(f"{url}/sign-in")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(log.read_text())


class Village:
    """A team with a doctor and one patient with a gateway and a cuff, seen by nobody else."""

    def __init__(self, factory: Factory, url: str, chromium: Chromium) -> None:
        self.factory = factory
        self.conn = factory.conn
        self.url = url
        self._chromium = chromium

    async def build(self) -> None:
        """Put it into the database."""
        f = self.factory
        self.area = await f.area("柳林村")
        self.team = await f.team(self.area, "柳林家医一队")
        self.doctor, self.user = await f.staff(self.team)
        self.home = await f.household(self.area, self.team)
        self.patient = await self.person("李秀英", phone="138 0013 8000")
        self.node = await f.node(self.area, household_id=self.home)
        self.device = await f.device(self.node)
        await f.bind(self.device, self.patient)

    async def person(self, name: str, **values: object) -> int:
        """Another patient of the team."""
        home = {"household_id": self.home}
        return await self.factory.patient(self.area, name, team_id=self.team, **home, **values)

    async def pressure(self, values: tuple[float, ...], **more: object) -> datetime:
        """A blood pressure of the patient."""
        return await self.factory.pressure(self.device, self.node, self.patient, values, **more)

    async def signed_in(self, staff_id: int | None = None) -> dict[str, str]:
        """The cookie of a new session of the doctor, or of somebody else."""
        secret = token.session_token()
        now = datetime.now(UTC)
        await session.open_session(
            self.conn,
            digest=token.digest(secret),
            staff_id=staff_id or self.doctor,
            address=None,
            now=now,
            expires_at=now + timedelta(hours=1),
        )
        return {"hearthbeat_session": secret}

    def tab(
        self, cookies: dict[str, str] | None = None, size: tuple[int, int] = DESKTOP
    ) -> AbstractAsyncContextManager[Tab]:
        """A browser tab on the console."""
        return self._chromium.tab(self.url, size=size, cookies=cookies)

    async def row(self, sql: str, *values: object) -> dict[str, object]:
        """One row, by column."""
        cursor = await self.conn.execute(sql.encode(), values)
        names = [column.name for column in cursor.description or ()]
        return dict(zip(names, (await cursor.fetchall())[0], strict=True))


@pytest_asyncio.fixture(loop_scope="session")
async def village(
    console_database: str, console_url: str, chromium: Chromium
) -> AsyncIterator[Village]:
    """A village of this test's own."""
    options = "-c timezone=UTC"
    opened: Connection = await AsyncConnection.connect(
        console_database, autocommit=True, options=options
    )
    async with opened as conn:
        made = Village(Factory(conn), console_url, chromium)
        await made.build()
        yield made


@pytest.fixture
def unique() -> str:
    """A word that occurs nowhere else."""
    return secrets.token_hex(4)
