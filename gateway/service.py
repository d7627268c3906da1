"""One gateway: its parts put together, and how they live."""

import asyncio
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import structlog

from contract.messages import Config, Firmware, TimeAnswer
from gateway.binding import bind
from gateway.collector import Collector
from gateway.configured import Configured
from gateway.description import description, program_version
from gateway.diagnosis import Diagnosis, resident_mb
from gateway.drivers.registry import driver
from gateway.firmware import FirmwareDesk, Means
from gateway.identity import Identities, Vault
from gateway.inbox import Inbox
from gateway.panel import Link
from gateway.recent_log import RecentLog
from gateway.reports import Reports
from gateway.robot import Robot
from gateway.screen.board import Board
from gateway.screen.server import ScreenServer
from gateway.settings import GatewaySettings
from gateway.spool import Key, Spool
from gateway.storage import Storage, StorageUnavailableError
from gateway.timekeeper import Timekeeper
from gateway.transports.serial_port import SerialPort
from gateway.upkeep import Abilities, Upkeep
from gateway.uplink import Standing, Uplink
from gateway.voice import choose_voice
from runtime.clock import Clock
from runtime.supervision import run_tasks

_LOG = structlog.get_logger()
_CONNECTS: Final = "connects"
_TRIM_SECONDS: Final = 60.0
_FORGET_EVERY: Final = 60  # trims


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
        self.identities = Identities(Vault(settings.state), settings.configured_identity)
        self.log = RecentLog()
        self.board = Board()
        self.voice = choose_voice(settings.voice)
        self.configured = self._make_configured()
        self.robot = Robot(
            settings,
            storage,
            self.spool,
            self.timekeeper,
            self.reports,
            self.configured,
            board=self.board,
            voice=self.voice,
            link=self._link,
        )
        self.inbox = Inbox(self.robot, self)
        self.uplink = self._make_uplink()
        self.inbox.hub = self.uplink
        self.collector = self._make_collector(storage)
        self.diagnosis = self._make_diagnosis()
        self.firmware = self._make_firmware()
        self.upkeep = self._make_upkeep()
        self.robot.commands.machine = self.upkeep.handlers
        self._described: dict[str, Any] | None = None
        self.screen: ScreenServer | None = None

    def _make_configured(self) -> Configured:
        settings = self._settings
        own = {
            "enc": settings.enc,
            "lang": settings.language,
            "help_number": settings.emergency_number,
        }
        return Configured(
            self._storage,
            self.reports,
            own,
            waits=self.spool.waits,
            trial_seconds=settings.config_trial_seconds,
            on_change=self._reconfigured,
        )

    def _make_uplink(self) -> Uplink:
        return Uplink(
            self._settings,
            self.identities,
            self.spool,
            self.timekeeper,
            self.configured,
            count_connect=self._count_connect,
            on_downlink=self.inbox.take,
            standing=self._standing,
            changed=self._changed,
        )

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

    def _make_diagnosis(self) -> Diagnosis:
        return Diagnosis(
            self.spool,
            self.timekeeper,
            self.log,
            state=self._settings.state,
            links=self._links,
            counts=lambda: {
                "connects": self.uplink.connects,
                "rejected": self.uplink.verdicts.refused,
            },
        )

    def _make_firmware(self) -> FirmwareDesk:
        settings = self._settings
        means = Means(
            key_file=settings.firmware_key,
            command=settings.firmware_command,
            ca_file=settings.firmware_ca_file,
            running=program_version(),
            retry_seconds=settings.resend_seconds,
        )
        return FirmwareDesk(
            self._storage,
            self.reports,
            settings.state,
            means,
            local_now=lambda: self.timekeeper.now().astimezone(settings.time_zone),
            busy=lambda: self.robot.busy,
        )

    def _make_upkeep(self) -> Upkeep:
        settings = self._settings
        abilities = Abilities(
            describe=self.describe,
            report_configuration=self.configured.report,
            links=self._links,
            clock=lambda: (self.timekeeper.clk, self.timekeeper.answers),
            busy=lambda: self.robot.busy,
            number=lambda: self.configured.given("help_number"),
            log_lines=self.diagnosis.lines,
            call_command=settings.call_command,
            reboot_command=settings.reboot_command,
            selftest_seconds=settings.selftest_seconds,
        )
        return Upkeep(
            self._storage, self.spool, self.reports, self.identities, self.uplink, abilities
        )

    async def run(self) -> None:
        """Until cancelled."""
        settings = self._settings
        self.describe()
        self.configured.start()
        self.robot.commands.start()
        self.screen = screen = ScreenServer(
            self.board, settings.screen_host, settings.screen_port, self.robot.press
        )
        self.robot.refresh()
        screen.start()
        tasks = {
            "uplink": self._be_a_node(),
            "robot": self._tick(),
            "voice": self.voice.run(),
            "housekeeping": self._keep_house(),
            "diagnosis": self._diagnose(),
            "firmware": self.firmware.run(),
        }
        if self.collector is not None:
            tasks["collector"] = self.collector.run()
        try:
            with self.log.attached():
                await run_tasks(tasks)
        finally:
            self.robot.commands.stop()
            screen.stop()

    async def _be_a_node(self) -> None:
        if not self.identities.known:
            await bind(self._settings, self.identities.vault)
            self.identities.read_again()
            self.robot.refresh()
        await self.uplink.run()

    # --- what the parts ask of each other -----------------------------------------------------

    def _link(self) -> Link:
        return Link(
            time_known=self.timekeeper.known,
            online=self.uplink.online,
            hub_ready=self.uplink.hub_ready,
            cuff=None if self.collector is None else self.collector.link,
            unsent=self.spool.depth(),
            unbound=None if self.identities.known else self._settings.claim_serial,
        )

    def _links(self) -> dict[str, str]:
        collector = self.collector
        return {} if collector is None else {self._settings.device: collector.link}

    def _standing(self) -> Standing:
        return Standing(
            plan=self.robot.reminders.revision, cfg=self.configured.rev, subs=self._links()
        )

    def describe(self) -> Key:
        """Say who is there, whether that is news or not."""
        self._described = described = description(self._settings, speaks=self._speaks)
        return self.reports.birth(**described)

    @property
    def _speaks(self) -> bool:
        """Whether there is a voice: ours, or the browser's instead of it."""
        return self._settings.voice not in {"none", "espeak"} or self.voice.works

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

    # --- what the hub says of the machine -------------------------------------------------------

    def learn_time(self, answer: TimeAnswer) -> None:
        """The hub told the time."""
        answers = self.timekeeper.answers
        step = self.timekeeper.learn(answer)
        if self.timekeeper.answers > answers:
            self.uplink.time_answered()
        if step is not None:
            _LOG.warning("clock_step", ms=step.ms)
            self.reports.event("clock_step", ms=step.ms)

    def _reconfigured(self, before: Mapping[str, Any]) -> None:
        self.robot.configured(before)

    def configure(self, wanted: Config) -> None:
        """The hub wants it configured so."""
        self.configured.accept(wanted)
        self._changed()

    def offer_firmware(self, notice: Firmware) -> None:
        """There is firmware to fetch."""
        self.firmware.accept(notice)

    # --- time ---------------------------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            self.robot.tick()
            self.configured.tick(reachable=self.uplink.online and self.uplink.hub_ready)
            if self._described != description(self._settings, speaks=self._speaks):
                self.describe()
            await asyncio.sleep(self._settings.tick_seconds)

    async def _diagnose(self) -> None:
        while True:
            await asyncio.sleep(self._settings.diag_seconds)
            if self.uplink.online:
                self.uplink.tell(self.diagnosis.report())

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
