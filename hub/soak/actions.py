"""Breaking a running hub, one fault at a time. Only processes of that hub are touched.

Every action mends what it broke, also when it is cancelled: nothing stays frozen, stalled or full.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

import structlog

from firmware_sim.fleet import Proxy
from hub.settings import ROOMS
from hub.soak.child import HubChild, kill_one
from hub.soak.disk import Disk
from hub.soak.plan import BY_NAME, Planned
from runtime.running import command_line, is_alive

_LOG = structlog.get_logger()
T = TypeVar("T")
_PARTS: Final = {"broker": "mosquitto"}
_DELAY_MS: Final = 500
# No parameter of PostgreSQL: with it in the file, the server refuses to start.
_HELD_DOWN: Final = "held_down_for_a_drill = 'on'\n"
# Left on the "full" disk: less than PostgreSQL's next piece of its log.
_LEFT_BYTES: Final = 256 * 1024


class Breaker:
    """Does what a plan says to one hub; `proxy` is the devices' line, `disk` where the hub is."""

    def __init__(
        self, hub: HubChild, *, proxy: Proxy | None = None, disk: Disk | None = None
    ) -> None:
        """Nothing is touched yet."""
        self.hub = hub
        self._proxy = proxy
        self._disk = disk

    def can(self, name: str) -> bool:
        """Whether this fault can be done here."""
        have = {"": True, "proxy": self._proxy is not None, "disk": self._disk is not None}
        return have[BY_NAME[name].needs]

    async def do(self, planned: Planned) -> None:
        """Break it, leave it so for as long as planned, mend it."""
        verb, _, what = planned.name.partition("-")
        _LOG.info("fault", fault=planned.name, lasts_s=planned.lasts_s)
        special = self._special().get(planned.name)
        if special is not None:
            await special(planned.lasts_s)
        elif verb == "kill":
            self.kill(_PARTS.get(what, what))
        elif verb == "freeze":
            async with self.frozen(_PARTS.get(what, what)):
                await asyncio.sleep(planned.lasts_s)
        else:
            await self._on_the_line(planned)

    def _special(self) -> dict[str, Callable[[float], Awaitable[None]]]:
        return {
            "stop-postgres-immediate": self._stop_postgres,
            "postgres-away": self._postgres_away,
            "restart-hub": self._restart_hub,
            "kill-hub": self._kill_hub,
            "disk-full": self._disk_full,
            "power-cut": self._power_cut,
        }

    # --- processes ----------------------------------------------------------------------------

    def pid(self, part: str) -> int:
        """The part's process if it lives and is this hub's; else 0."""
        pid = self.hub.pid(part)
        line = command_line(pid) if pid else []
        ours = line[-2:] == ["hub.main", part] if part in ROOMS else _mentions(line, self.hub.data)
        return pid if ours else 0

    def kill(self, part: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a part a signal; which process got it, 0: there was none."""
        pid = self.pid(part)
        return pid if pid and kill_one(pid, number) else 0

    @asynccontextmanager
    async def frozen(self, part: str) -> AsyncIterator[None]:
        """While open, the part and its children stand still."""
        pids = family(self.pid(part))
        for pid in pids:
            kill_one(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(pids):
                kill_one(pid, signal.SIGCONT)

    async def _stop_postgres(self, _: float) -> None:
        self.kill("postgres", signal.SIGQUIT)

    @asynccontextmanager
    async def postgres_away(self) -> AsyncIterator[None]:
        """While open, PostgreSQL is down and does not come back, however often it is started."""
        folder = self.hub.data / "postgres" / "data"
        held = folder / "local.conf"
        held.write_text(_HELD_DOWN, encoding="utf-8")
        owner = folder.stat()
        os.chown(held, owner.st_uid, owner.st_gid)
        self.kill("postgres", signal.SIGQUIT)
        try:
            yield
        finally:
            held.unlink(missing_ok=True)

    async def _postgres_away(self, lasts_s: float) -> None:
        async with self.postgres_away():
            await asyncio.sleep(lasts_s)

    async def _restart_hub(self, _: float) -> None:
        await asyncio.to_thread(self.hub.stop)
        await self._start_hub()

    async def _kill_hub(self, _: float) -> None:
        self.hub.kill()
        await self._start_hub()

    async def _start_hub(self) -> None:
        self.hub.start_again()
        await asyncio.to_thread(self.hub.until_up, 120.0)

    # --- the disk -----------------------------------------------------------------------------

    async def _disk_full(self, lasts_s: float) -> None:
        disk = _given(self._disk)
        try:
            await asyncio.to_thread(disk.fill, leave_bytes=_LEFT_BYTES)
            await asyncio.sleep(lasts_s)
        finally:
            disk.make_room()

    async def _power_cut(self, _: float) -> None:
        disk = _given(self._disk)
        await asyncio.to_thread(self.hub.kill_everything)
        await asyncio.to_thread(disk.cut_power)
        await self._start_hub()

    # --- the line of the devices --------------------------------------------------------------

    async def _on_the_line(self, planned: Planned) -> None:
        proxy = _given(self._proxy)
        match planned.name:
            case "cut":
                # Some at once, the others in the middle of what they send next.
                proxy.cut(share=0.5)
                proxy.cut_after(700)
            case "stall":
                proxy.stall(planned.lasts_s)
                await asyncio.sleep(planned.lasts_s)
            case "delay":
                proxy.delay(_DELAY_MS)
                try:
                    await asyncio.sleep(planned.lasts_s)
                finally:
                    proxy.delay(0)
            case "half-open":
                proxy.half_open()
                await asyncio.sleep(planned.lasts_s)
                proxy.heal()


def family(pid: int) -> list[int]:
    """A process and its children, itself first; empty for none."""
    if not pid or not is_alive(pid):
        return []
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        listed = []
    return [pid, *map(int, listed)]


def _mentions(line: list[str], folder: Path) -> bool:
    return any(str(folder.absolute()) in word for word in line)


def _given(thing: T | None) -> T:
    """What the caller of `can` knew to be there."""
    if thing is None:
        raise LookupError("this fault cannot be done here")
    return thing
