"""One gateway: its parts put together, and how they live."""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import structlog

from contract.messages import DeclaredSeries, SubDevice, TimeAnswer
from gateway.collector import Collector
from gateway.drivers.driver import Driver
from gateway.drivers.registry import driver
from gateway.inbox import Inbox
from gateway.panel import Link
from gateway.reports import Reports
from gateway.robot import Robot
from gateway.screen.board import Board
from gateway.screen.server import ScreenServer
from gateway.settings import GatewaySettings
from gateway.spool import Spool
from gateway.storage import Storage, StorageUnavailableError
from gateway.texts import LANGUAGES
from gateway.timekeeper import Timekeeper
from gateway.transports.serial_port import SerialPort
from gateway.uplink import Standing, Uplink
from gateway.voice import choose_voice
from runtime.clock import Clock
from runtime.supervision import run_tasks

_LOG = structlog.get_logger()
_CONNECTS: Final = "connects"
_TRIM_SECONDS: Final = 60.0
_FORGET_EVERY: Final = 60  # trims
_SPEC: Final = "1.0"


class AlreadyRunningError(RuntimeError):
    """Another gateway works on this state directory."""


async def serve(settings: GatewaySettings, clock: Clock) -> None:
    """Run a gateway until cancelled.

    Raises AlreadyRunningError when another one has the state directory.
    """
    settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(settings.state):
        storage = Storage(settings.state / "gateway.db")
        try:
            await Gateway(settings, clock, storage).run()
        finally:
            storage.close()


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    lock = os.open(state / "gateway.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError(f"another gateway works in {state}") from error
        yield
    finally:
        os.close(lock)


class Gateway:
    """The parts of one gateway."""

    def __init__(self, settings: GatewaySettings, clock: Clock, storage: Storage) -> None:
        self._settings = settings
        self._storage = storage
        self.timekeeper = Timekeeper(clock)
        self.spool = Spool(storage)
        self.reports = Reports(self.spool, self.timekeeper, who=settings.who, nudge=self._nudge)
        self.board = Board()
        self.voice = choose_voice(settings.voice)
        self.robot = Robot(
            settings,
            storage,
            self.spool,
            self.timekeeper,
            self.reports,
            board=self.board,
            voice=self.voice,
            link=self._link,
        )
        self.inbox = Inbox(self.robot, self._learn_time)
        self.uplink = Uplink(
            settings,
            self.spool,
            self.timekeeper,
            count_connect=self._count_connect,
            on_downlink=self.inbox.take,
            standing=self._standing,
            changed=self._changed,
        )
        self.inbox.hub = self.uplink
        self.collector = self._make_collector(storage)
        self.screen: ScreenServer | None = None

    def _make_collector(self, storage: Storage) -> Collector | None:
        settings = self._settings
        if settings.serial is None:
            return None
        return Collector(
            settings,
            storage,
            self.spool,
            self.timekeeper,
            self.robot.guide,
            SerialPort(settings.serial, driver(settings.model)),
            on_answer=self.robot.commands.measured,
            on_taken=self.robot.taken,
            changed=self._changed,
        )

    async def run(self) -> None:
        """Until cancelled."""
        settings = self._settings
        self.reports.birth(**description(settings, driver(settings.model)))
        self.screen = screen = ScreenServer(
            self.board, settings.screen_host, settings.screen_port, self.robot.press
        )
        self.robot.refresh()
        screen.start()
        tasks = {
            "uplink": self.uplink.run(),
            "robot": self._tick(),
            "voice": self.voice.run(),
            "housekeeping": self._keep_house(),
        }
        if self.collector is not None:
            tasks["collector"] = self.collector.run()
        try:
            await run_tasks(tasks)
        finally:
            screen.stop()

    # --- what the parts ask of each other -----------------------------------------------------

    def _link(self) -> Link:
        return Link(
            time_known=self.timekeeper.known,
            online=self.uplink.online,
            hub_ready=self.uplink.hub_ready,
            cuff=None if self.collector is None else self.collector.link,
            unsent=self.spool.depth(),
        )

    def _standing(self) -> Standing:
        collector = self.collector
        subs = {} if collector is None else {self._settings.device: collector.link}
        return Standing(plan=self.robot.reminders.revision, subs=subs)

    def _nudge(self) -> None:
        self.uplink.nudge()

    def _changed(self) -> None:
        self.robot.refresh()
        self.uplink.nudge()

    def _count_connect(self) -> int:
        """Counts on through restarts; time keeps it growing when the disk does not."""
        connects = int(self._storage.fact(_CONNECTS, 0)) + 1
        try:
            with self._storage.transaction():
                self._storage.set_fact(_CONNECTS, connects)
        except StorageUnavailableError as error:
            _LOG.warning("connect_not_counted", error=str(error))
        return connects

    def _learn_time(self, answer: TimeAnswer) -> None:
        step = self.timekeeper.learn(answer)
        if step is not None:
            _LOG.warning("clock_step", ms=step.ms)
            self.reports.event("clock_step", ms=step.ms)

    # --- time ---------------------------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            self.robot.tick()
            await asyncio.sleep(self._settings.tick_seconds)

    async def _keep_house(self) -> None:
        turn = 0
        while True:
            if turn % _FORGET_EVERY == 1:
                _LOG.info("memory", resident_mb=round(resident_mb(), 1))
            try:
                self._trim()
                if turn % _FORGET_EVERY == 0:
                    self._forget()
            except StorageUnavailableError as error:
                _LOG.error("housekeeping_failed", error=str(error))
            turn += 1
            await asyncio.sleep(_TRIM_SECONDS)

    def _trim(self) -> None:
        oldest = self.timekeeper.now() - timedelta(days=self._settings.spool_days)
        dropped = self.spool.trim(older_than=oldest, max_bytes=self._settings.spool_bytes)
        if dropped:
            self.uplink.forget(dropped)
            _LOG.error("readings_dropped", count=len(dropped))
            context = {"fault": "spool_dropped", "count": len(dropped)}
            self.reports.event("device_fault", sev="warning", ctx=context)

    def _forget(self) -> None:
        self.robot.forget()
        if self.collector is not None:
            self.collector.forget()


def description(settings: GatewaySettings, model: Driver) -> dict[str, Any]:
    """What `birth` says of this node: its program, its cuff, what it can do."""
    with_cuff = settings.serial is not None
    cuff = SubDevice(
        dev=settings.device,
        type=model.device_type,
        maker=model.maker,
        model=model.model,
        link=model.link,
    )
    return {
        "maker": "hearthbeat",
        "model": "gateway",
        "fw": _version(),
        "spec": _SPEC,
        "level": "robot",
        "cap": {
            "enc": ["json"],
            "mqtt": settings.mqtt_version,
            "plan": True,
            "screen": True,
            "tts": list(LANGUAGES) if settings.voice != "none" else [],
            "store_h": round(settings.spool_days * 24),
            "clk": ["ntp", "hub"],
            "cmd": ["measure_now", "ask", "speak"] if with_cuff else ["ask", "speak"],
        },
        "devs": [cuff] if with_cuff else [],
        "ser": [DeclaredSeries(k=k, dev=settings.device) for k in model.kinds if with_cuff],
    }


def _version() -> str:
    try:
        return version("hearthbeat")
    except PackageNotFoundError:
        return "source"


def resident_mb() -> float:
    """Resident memory of this process, in megabytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1_000_000
