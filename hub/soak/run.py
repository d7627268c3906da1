"""A soak from beginning to end: a hub of its own, a fleet, a plan of faults, and the verdict."""

import asyncio
import os
import platform
import shutil
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import structlog
from msgspec import Struct, field, to_builtins

from firmware_sim.fleet import Summary
from hub.soak import plan
from hub.soak.actions import family
from hub.soak.child import HubChild, HubDidNotStartError
from hub.soak.disk import Disk, NoDiskError
from hub.soak.load import Load
from hub.soak.plan import Planned
from hub.soak.sampling import Sampler
from hub.soak.settle import settle
from hub.soak.verify import Verdict, verify
from runtime.clock import SystemClock
from store import ledger_check

_LOG = structlog.get_logger()
PARTS: Final = ("ingest", "downlink", "alerts", "care", "mosquitto", "postgres")
_SAMPLE_EVERY_S: Final = 1.0
_ANSWERS_S: Final = 120.0
_FREE_PORTS: Final = ("--mqtt-port=0", "--mqtt-tls-port=0", "--mqtts-port=0", "--http-port=0")


class SoakSettings(Struct, frozen=True, kw_only=True):
    """One soak. `out` is a new or empty directory; everything of the run is in it."""

    out: Path
    seed: int = 1
    minutes: float = 5.0
    faults: tuple[str, ...] = tuple(plan.BY_NAME)
    nodes: int = 50
    rate: float = 100.0
    settle_s: float = 120.0
    disk_mb: int = 8192
    # For a test of the verdict: what to do behind the hub's back (see store.ledger_check.spoil).
    spoil: str | None = None


class Moment(Struct, frozen=True):
    """How far a run is."""

    seconds: float
    of: float
    doing: str
    fleet: Summary


class Report(Struct, kw_only=True):
    """Everything about a run; written as JSON."""

    version: int = 1
    seed: int
    minutes: float
    nodes: int
    rate: float
    host: dict[str, Any]
    server: str = ""
    faults: list[Planned] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    # What went wrong beside the ledger: a hub that did not come back.
    troubles: list[str] = field(default_factory=list)
    fleet: Summary = field(default_factory=Summary)
    costs: dict[str, dict[str, float]] = field(default_factory=dict)
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def kept(self) -> bool:
        """Whether the hub kept its promise: the ledger is exact, and nobody waits for a receipt."""
        return self.verdict.exact and not self.verdict.unreceipted and not self.troubles

    def as_json(self) -> dict[str, Any]:
        """For the report file."""
        found: dict[str, Any] = to_builtins(self)
        return {"kept": self.kept, **found}


def host_facts() -> dict[str, Any]:
    """What the figures of a run depend on."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpus": os.cpu_count(),
        "memory_mb": round(pages / 1e6),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "load_at_start": os.getloadavg()[0],
    }


class Soak:
    """One run. `moment` says how far it is, at any time."""

    def __init__(self, settings: SoakSettings) -> None:
        """Nothing is touched before `run`."""
        self.settings = settings
        self._sampler = Sampler()
        self._doing = "starting the hub"
        self._began: float | None = None
        self._load: Load | None = None
        self._last = Summary()
        self.report = Report(
            seed=settings.seed,
            minutes=settings.minutes,
            nodes=settings.nodes,
            rate=settings.rate,
            host=host_facts(),
        )

    def moment(self) -> Moment:
        """How far it is."""
        gone = time.monotonic() - self._began if self._began is not None else 0.0
        of = self.settings.minutes * 60
        if self._load is None:
            return Moment(gone, of, self._doing, self._last)
        waiting = "waiting for the last receipts" if gone > of else "nothing breaks"
        return Moment(gone, of, self._load.doing or waiting, self._load.fleet.summary())

    async def run(self) -> Report:
        """Run it. Raises HubDidNotStartError, NotSettledError or OSError before the load."""
        self.settings.out.mkdir(parents=True, exist_ok=True)
        async with AsyncExitStack() as stack:
            disk = self._disk(stack)
            place = disk.place if disk is not None else self.settings.out
            hub = HubChild(place / "hub", _FREE_PORTS)
            stack.callback(self._keep_logs, hub)
            stack.callback(hub.close)
            await asyncio.to_thread(hub.until_up)
            self._doing = "adding nodes"
            await self._load_and_break(hub, disk)
            if self._load is not None:
                self._last = self._load.fleet.summary()
            self._load, self._doing = None, "comparing ledger and database"
            await self._judge(hub)
        return self.report

    def _keep_logs(self, hub: HubChild) -> None:
        """What the hub and its parts said stays, also when its disk goes."""
        kept = self.settings.out / "log"
        if hub.data.parent != self.settings.out:
            shutil.copytree(hub.data / "log", kept, dirs_exist_ok=True)
            shutil.copy(hub.output, kept)

    def _disk(self, stack: AsyncExitStack) -> Disk | None:
        if not any(plan.BY_NAME[name].needs == "disk" for name in self.settings.faults):
            return None
        try:
            disk = Disk(self.settings.out, megabytes=self.settings.disk_mb)
        except NoDiskError as error:
            needy = (n for n in self.settings.faults if plan.BY_NAME[n].needs == "disk")
            self.report.skipped = dict.fromkeys(needy, str(error))
            return None
        stack.callback(disk.close)
        return disk

    async def _load_and_break(self, hub: HubChild, disk: Disk | None) -> None:
        settings = self.settings
        url = hub.addresses()["database_url"]
        accounts = await settle(url, nodes=settings.nodes, now=SystemClock().now())
        options = {"rate": settings.rate, "minutes": settings.minutes, "seed": settings.seed}
        load = Load(
            hub,
            accounts,
            settings.out / "ledger",
            disk=disk,
            settle_s=settings.settle_s,
            **options,
        )
        async with load as self._load:
            self._began = time.monotonic()
            sampling = asyncio.create_task(self._sample(hub))
            try:
                self.report.fleet = await load.run(self._planned())
            except HubDidNotStartError as error:
                self.report.troubles.append(f"the hub did not come back: {error}")
            finally:
                sampling.cancel()
                await asyncio.gather(sampling, return_exceptions=True)
        self.report.faults = load.done
        self.report.costs = {part: c.shown() for part, c in self._sampler.costs.items()}

    def _planned(self) -> list[Planned]:
        names = [n for n in self.settings.faults if n not in self.report.skipped]
        return plan.plan(self.settings.seed, self.settings.minutes * 60, names)

    async def _sample(self, hub: HubChild) -> None:
        while True:
            self._sampler.sample({part: family(hub.pid(part)) for part in PARTS})
            await asyncio.sleep(_SAMPLE_EVERY_S)

    async def _judge(self, hub: HubChild) -> None:
        url = hub.addresses().get("database_url")
        if url is None:
            self.report.troubles.append("the hub is not up at the end: nothing can be compared")
            return
        self.report.server = await ledger_check.server_version(url)
        if self.settings.spoil is not None:
            await ledger_check.spoil(url, self.settings.spoil)
        self.report.verdict = await verify(self.settings.out / "ledger", url)
