"""One whole hub a run, with a doctor, a patient and nodes, and robots that talk to it.

Its times are short, so that a test waits for things and not for clocks. Every test takes a node of
its own; nothing else is shared between tests but the hub.
"""

import asyncio
import fcntl
import itertools
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import AsyncConnection
from typer.testing import CliRunner

from firmware_sim.robot.access import Access, Habits, Make
from firmware_sim.robot.device import Robot
from firmware_sim.robot.memory import Memory
from hub.main import app
from store.pool import Connection
from tests.fixtures.fix_hub import ROOMS, HubProcess, _starting

_QUICK = {
    "HEARTHBEAT_INGEST_MERGE_REJECTS_S": "0.02",
    "HEARTHBEAT_INGEST_RECEIPT_EVERY_S": "0.1",
    "HEARTHBEAT_INGEST_IDENTITY_TTL_S": "0.1",
    "HEARTHBEAT_DOWNLINK_POLL_S": "0.2",
    "HEARTHBEAT_DOWNLINK_ROTATION_LOOK_S": "0.3",
}
QUICK = Habits(
    resend_s=3.0,
    event_resend_s=(1.0, 1.0, 1.0),
    retry_s=0.5,
    reconnect_base_s=0.2,
    reconnect_cap_s=0.5,
    refused_s=0.3,
    will_delay=0,
    person_s=0.05,
    time_again_s=2.0,
    tick_s=0.05,
)
DEVICES = ("cuff1:bpm", "ox1:oximeter", "patch1:other")


class LiveHub:
    """The hub of the session: its commands, its REST interface, its database."""

    def __init__(self, data: Path, token: str = "", patient: int = 0) -> None:
        """On a running hub; without a token a doctor and a patient are added."""
        self.data = data
        self.where: dict[str, Any] = json.loads((data / "run" / "hub.json").read_text())
        self.database_url = self.where["database_url"]
        self.host, self.port = self.where["mqtt_host"], int(self.where["mqtt_port"])
        self.token = token or self.cli("staff", "add", "--user", "li", "--role", "admin")["token"]
        self.patient = patient or int(self.cli("patient", "add", "--name", "王桂兰")["id"])
        self._nodes: Iterator[Access] = iter(())

    def cli(self, *words: str) -> Any:
        """`hearthbeat … --json` on this hub, in this process; what it printed."""
        ran = self.run(*words, "--json")
        assert ran.exit_code == 0, ran.stderr
        return json.loads(ran.stdout)

    def run(self, *words: str) -> Any:
        """`hearthbeat …` on this hub, however it ends."""
        return CliRunner(env={"COLUMNS": "200"}).invoke(app, [*words, "--data", str(self.data)])

    def node(self) -> Access:
        """A node nobody used, whose devices measure the patient. Several are made at a time: the
        broker takes new ones over at most once a second."""
        fresh = next(self._nodes, None)
        if fresh is None:
            self._nodes = iter([self._add(wait=n == 11) for n in range(12)])
            fresh = next(self._nodes)
        return fresh

    def _add(self, *, wait: bool) -> Access:
        devices = [f"--device={name}:patient={self.patient}" for name in DEVICES]
        waits = () if wait else ("--no-wait",)
        made = self.cli("node", "add", f"--patient={self.patient}", *devices, *waits)
        return Access(host=self.host, port=self.port, node=made["id"], password=made["password"])

    def service_url(self, user: str) -> str:
        """Where one of the hub's own services connects: to do what no device may."""
        secret = (self.data / "secrets" / user).read_text().strip()
        port = (self.data / "mosquitto" / "hub_port").read_text().strip()
        return f"mqtt://{user}:{secret}@127.0.0.1:{port}"

    def api(self, method: str, path: str, **more: Any) -> Any:
        """Ask the REST interface as the administrator; the answer's body."""
        answer = httpx.request(
            method,
            f"{self.where['http_url']}/api{path}",
            headers={"Authorization": f"Bearer {self.token}"},
            trust_env=False,
            timeout=10.0,
            **more,
        )
        assert answer.is_success, (answer.status_code, answer.text)
        return answer.json() if answer.content else None


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[LiveHub]:
    """A hub with every room, on real servers: one for all workers of the run."""
    place = tmp_path_factory.getbasetemp()
    shared = SharedHub(place if worker_id == "master" else place.parent, worker_id)
    with ExitStack() as stack:
        try:
            yield shared.join(stack)
        finally:
            shared.leave()


class SharedHub:
    """The first worker starts the hub, the others use it; it ends when the last one has left."""

    def __init__(self, place: Path, worker: str) -> None:
        self._lock, self._told = place / "hub.lock", place / "hub.told"
        self._place, self._mine = place, place / f"hub.user.{worker}"
        self._starter = False

    def join(self, stack: ExitStack) -> LiveHub:
        """The hub, running."""
        with self._locked():
            if not self._told.exists():
                self._starter = True
                process = stack.enter_context(_quick_hub())
                made = LiveHub(process.data)
                told = {"data": str(made.data), "token": made.token, "patient": made.patient}
                self._told.write_text(json.dumps(told))
            self._mine.touch()
            told = json.loads(self._told.read_text())
            return LiveHub(Path(told["data"]), told["token"], told["patient"])

    def leave(self) -> None:
        """Done with it; who started it waits for the others."""
        self._mine.unlink(missing_ok=True)
        deadline = time.monotonic() + 100.0
        while self._starter and time.monotonic() < deadline:
            with self._locked():
                if not list(self._place.glob("hub.user.*")):
                    self._told.unlink(missing_ok=True)
                    return
            time.sleep(0.2)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


@contextmanager
def _quick_hub() -> Iterator[HubProcess]:
    os.environ.update(_QUICK)
    try:
        with _starting() as start:
            yield start("contract", rooms=ROOMS).wait_up(90.0)
    finally:
        for name in _QUICK:
            del os.environ[name]


class Rows:
    """What is in the hub's database about one node."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn

    async def all(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return list(await (await self.conn.execute(statement.encode(), values)).fetchall())

    async def until(
        self, statement: str, *values: Any, within_s: float = 30.0
    ) -> list[tuple[Any, ...]]:
        """The rows of a query, as soon as there are any."""
        deadline = time.monotonic() + within_s
        while not (found := await self.all(statement, *values)):
            assert time.monotonic() < deadline, f"no row: {statement}"
            await asyncio.sleep(0.03)
        return found


@pytest.fixture
async def rows(hub: LiveHub) -> AsyncIterator[Rows]:
    """Eyes on the hub's database."""
    options = "-c timezone=UTC"
    async with await AsyncConnection.connect(
        hub.database_url, autocommit=True, options=options
    ) as conn:
        yield Rows(conn)


StartRobot = Callable[..., Any]


@pytest.fixture
async def start_robot(hub: LiveHub) -> AsyncIterator[StartRobot]:
    """`await start_robot(access?, mqtt=3, encoding="cbor", …)`: a connected robot on a hub that
    is ready; switched off afterwards. Further keywords are habits."""
    async with AsyncExitStack() as stack:

        async def start(
            access: Access | None = None,
            *,
            make: Make | None = None,
            memory: Memory | None = None,
            **habits: Any,
        ) -> Robot:
            given = access or await asyncio.to_thread(hub.node)
            robot = Robot(given, make=make, habits=quick(**habits), memory=memory)
            await stack.enter_async_context(robot)
            await robot.hub_ready()
            return robot

        yield start


def quick(**habits: Any) -> Habits:
    """The habits of an impatient robot, some of them changed."""
    from msgspec import structs

    return structs.replace(QUICK, **habits)


_BOOTS = itertools.count(100_000)


def next_boot() -> int:
    """A boot number no other message of this session has."""
    return next(_BOOTS)


def execute(hub: LiveHub, statement: str) -> None:
    """One statement in the hub's database, by somebody who may change its tables."""
    with psycopg.connect(hub.database_url, autocommit=True) as conn:
        conn.execute(statement.encode())
