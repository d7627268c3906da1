"""The alert engine: this list of modules, in this order, again and again.

Every deadline is in the database and every module is a transaction of its own, so an engine can
be killed anywhere and started anew, and two may run at once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final, Self

import structlog
from msgspec import Struct

from alerts import confirmation, escalation, expiry, faults, intake, plans, retrial, silence
from alerts.away import AWAY
from alerts.drafts import Whose
from alerts.outbox import Outbox
from alerts.settings import AlertsSettings
from alerts.turn import Turn
from runtime import metrics
from runtime.clock import Clock
from runtime.pulse import Pulse
from store.pool import Pool

_LOG = structlog.get_logger()
_MOST_ROUNDS: Final = 1000


class Module(Struct, frozen=True):
    """One step of a turn. `run` says whether there is more to do at once; `every_s` is the
    setting that says how often it looks (None: every turn)."""

    name: str
    run: Callable[[Turn], Awaitable[bool]]
    every_s: str | None = None


MODULES: Final = (
    Module("intake", intake.run),
    Module("confirmation", confirmation.run),
    Module("escalation", escalation.run),
    Module("expiry", expiry.run),
    Module("silence", silence.run, "alerts_silence_every_s"),
    Module("plans", plans.run, "alerts_plans_every_s"),
    Module("retrial", retrial.run, "alerts_faults_every_s"),
    # and last the outbox, which belongs to one engine: see `Engine.modules`
)


class Engine:
    """One engine; open it with `async with`, then `cycle`, or `run` for ever."""

    def __init__(self, pool: Pool, settings: AlertsSettings, clock: Clock) -> None:
        self._pool, self._settings, self._clock = pool, settings, clock
        self.wake = asyncio.Event()
        self.pulse = Pulse(time.monotonic)
        self.outbox = Outbox(pool, settings, clock, on_free=self.wake.set)
        self.modules = (*MODULES, Module("outbox", self.outbox.run))
        self._next_at: dict[str, datetime] = {}
        self._failing: set[str] = set()

    async def __aenter__(self) -> Self:
        await self.outbox.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.outbox.__aexit__(kind, error, trace)

    async def cycle(self) -> None:
        """One turn through the modules; each is repeated until it has no more to do.

        Raises OperationalError while the database cannot be reached; any other failure of a
        module is recorded and does not keep the others from running.
        """
        for module in self.modules:
            for _ in range(_MOST_ROUNDS):
                if not self._is_due(module) or not await self._run(module):
                    break

    def _is_due(self, module: Module) -> bool:
        if module.every_s is None:
            return True
        now = self._clock.now()
        if now < self._next_at.get(module.name, now):
            return False
        every = timedelta(seconds=float(getattr(self._settings, module.every_s)))
        self._next_at[module.name] = now + every
        return True

    async def _run(self, module: Module) -> bool:
        turn = Turn(pool=self._pool, settings=self._settings, now=self._clock.now())
        spent = metrics.seconds("alerts_module_seconds", "Time of one module", ("module",))
        try:
            with spent.labels(module.name).time():
                more = await module.run(turn)
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - one module must not stop the others
            await self._failed(module, error, turn)
            return False
        if module.name in self._failing:
            await self._recovered(module, turn)
        return more

    async def _failed(self, module: Module, error: Exception, turn: Turn) -> None:
        self._failing.add(module.name)
        async with self._pool.connection() as conn:
            await faults.report(
                conn, module.name, Whose(), turn.now, error, turn.settings, turn.now
            )

    async def _recovered(self, module: Module, turn: Turn) -> None:
        async with self._pool.connection() as conn, conn.transaction():
            subject = faults.subject(module.name, Whose())
            over = [one for one in await faults.waiting(conn) if one.subject == subject]
            await faults.recovered(conn, over, turn.settings, turn.now)
        self._failing.discard(module.name)

    async def run(self) -> None:
        """Turn for ever: when woken, and at the latest after the polling interval."""
        away = False
        while True:
            self.wake.clear()
            try:
                await self.cycle()
            except AWAY as error:
                if not away:
                    _LOG.error("database_away", error=type(error).__name__)
                away = True
            else:
                if away:
                    _LOG.info("database_back")
                away = False
                self.pulse.beat()
            await _woken(self.wake, self._settings.alerts_poll_s)


async def _woken(wake: asyncio.Event, poll_s: float) -> None:
    try:
        async with asyncio.timeout(poll_s):
            await wake.wait()
    except TimeoutError:
        return
