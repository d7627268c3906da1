"""One ingest acts, the others stand by: who holds the lease, and what follows from losing it.

The lease is in the database and only its clock counts. While the database is away nothing can be
taken or lost: who acts goes on holding what it was given, who waits goes on waiting. A process
that was frozen finds at its next renewal that it has been replaced, and waits from then on. Until
then it has no session at the database, so it can write nothing, and at the broker none but by
`confirm`.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from ingest.health import Health
from ingest.lapse import Lapse, Rules
from store import lease
from store.failure import UnavailableError, UnstorableError
from store.lease import FencedError, Held
from store.line import Line
from store.pool import Connection

_LOG = structlog.get_logger()
_LIMIT_S: Final = 3.0
LEASE: Final = "lease"


class Standby:
    """This process's part in it. `acts` while it holds the lease, as far as it knows."""

    def __init__(
        self,
        database_url: str,
        name: str,
        *,
        look_s: float,
        silent_s: float,
        gone_s: float,
        told: Callable[[str], None] = lambda _why: None,
    ) -> None:
        """`name` is of the lease; `told` hears why it was taken: first, released, gone, silent."""
        self._url = database_url
        self._name = name
        self._look_s = look_s
        self._rules = Rules(silent=round(silent_s / look_s), gone=round(gone_s / look_s))
        self._told = told
        self._turn = asyncio.Lock()
        self._held: Held | None = None
        self._line: Line | None = None
        self._trouble = Health(asyncio.get_running_loop().time)
        self.standbys = 0

    @property
    def acts(self) -> bool:
        """Whether this process is the one."""
        return self._held is not None

    @property
    def waits_because(self) -> dict[str, str]:
        """What stands in the way of even waiting: the database is away."""
        return self._trouble.reasons()

    def blind_for(self, seconds: float) -> bool:
        """Whether it waits, and has not been able to look for so long."""
        return not self.acts and bool(self._trouble.lasting(seconds))

    async def obtain(self) -> None:
        """Wait until this process is the one, however long it takes."""
        # A new name each time: sessions of an earlier turn are not those of this one.
        holder = secrets.token_hex(6)
        line = Line(self._url, name=lease.waiting_name(self._name, holder), limit_s=_LIMIT_S)
        try:
            self._held = await self._wait(line, holder)
        finally:
            await line.close()
        self._line = Line(
            self._url,
            name=self.session_name("hearthbeat ingest lease"),
            limit_s=_LIMIT_S,
            admit=lease.spare_the_disk,
        )

    async def _wait(self, line: Line, holder: str) -> Held:
        lapse, said = Lapse(), False
        while True:
            try:
                async with line.statements() as conn:
                    lapse = lapse.looked(await lease.look(conn, self._name))
                    why = lapse.why_take(self._rules)
                    held = await lease.take(conn, self._name, holder, lapse.seen) if why else None
            except (UnavailableError, UnstorableError) as error:
                self._trouble.trouble(LEASE, str(error))
                lapse, held, why = Lapse(), None, ""
            else:
                self._trouble.fine(LEASE)
            if held is not None:
                _LOG.info("active", lease=self._name, epoch=held.epoch, why=why)
                self._told(why)
                return held
            if not said and lapse.seen is not None:
                _LOG.info("standby", lease=self._name, epoch=lapse.seen.epoch)
                said = True
            await asyncio.sleep(self._look_s)

    async def keep(self) -> None:
        """Renew until it is lost."""
        while self._held is not None:
            await self._renew()
            await asyncio.sleep(self._look_s)

    async def confirm(self) -> bool:
        """Ask the database now: True, it is ours. False: it does not answer, nobody knows; or it
        is lost, and `keep` ends."""
        return await self._renew()

    async def _renew(self) -> bool:
        async with self._turn:
            held, line = self._held, self._line
            if held is None or line is None:
                return False
            try:
                async with line.statements() as conn:
                    self.standbys = await lease.renew(conn, held)
            except FencedError:
                _LOG.warning("replaced", lease=self._name, epoch=held.epoch)
                self._held = None
            except UnavailableError:
                return False
            return self._held is not None

    def session_name(self, what: str) -> str:
        """The name of a session at the database that belongs to this turn."""
        return lease.session_name(what, self._held.holder) if self._held else what

    def admission(self) -> Callable[[Connection], Awaitable[None]]:
        """What every line to the database asks for each session it opens in this turn."""
        held = self._held

        async def admit(conn: Connection) -> None:
            if held is None:
                raise FencedError("this process does not act")
            await lease.admit(conn, held)

        return admit

    async def release(self) -> None:
        """Give it back, if it is still ours; it does not wait for a database that is away."""
        held, line = self._held, self._line
        self._held = self._line = None
        if line is None:
            return
        try:
            if held is not None:
                async with line.statements() as conn:
                    await lease.release(conn, held)
                _LOG.info("released", lease=self._name, epoch=held.epoch)
        except UnavailableError as error:
            _LOG.warning("not_released", reason=str(error))
        finally:
            await line.close()
