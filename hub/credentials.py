"""The broker's password file follows the database: added nodes get in, revoked ones are cut."""

import asyncio
import time

import psycopg
import structlog

from runtime import running
from runtime.clock import Clock
from runtime.mosquitto_server import MosquittoServer
from store import credential
from store.pool import Connection, listening

_LOG = structlog.get_logger()
_POLL_S = 2.0
# A reload makes the broker pause, so changes that come close together share one.
_RELOAD_GAP_S = 1.0
_RELOAD_TIMEOUT_S = 5.0


async def wait_applied(conn: Connection, timeout_s: float = 5.0) -> bool:
    """Wait until the broker works with every credential committed so far; False: not in time.

    False also where nothing follows: the hub is not running, or the broker is somebody else's.
    """
    wanted = (await credential.revision(conn)).wanted
    until = time.monotonic() + timeout_s
    while (await credential.revision(conn)).applied < wanted:
        if time.monotonic() > until:
            return False
        await asyncio.sleep(0.05)
    return True


class Credentials:
    """Keeps one broker in step with the table of node credentials."""

    def __init__(self, broker: MosquittoServer, clock: Clock) -> None:
        """The broker need not run yet."""
        self._broker = broker
        self._clock = clock
        self._done = -1

    async def follow(self, database_url: str) -> None:
        """Follow until cancelled, through outages of both; NOTIFY wakes, polling is the truth."""
        while True:
            try:
                async with listening(database_url, "credentials") as conn:
                    while True:
                        if await self.sync(conn):
                            await asyncio.sleep(_RELOAD_GAP_S)
                        [n async for n in conn.notifies(timeout=_POLL_S, stop_after=1)]
            except (psycopg.Error, OSError) as error:
                _LOG.warning("credentials_wait_for_database", reason=type(error).__name__)
                await asyncio.sleep(_POLL_S)

    async def sync(self, conn: Connection) -> bool:
        """Hand the broker what it does not have yet; whether there was anything."""
        wanted = (await credential.revision(conn)).wanted
        if wanted == self._done:
            return False
        # Read after the revision: what came in between is taken along, and done once more.
        hashes = {c.node_id: c.password_hash for c in await credential.live(conn)}
        if not await asyncio.to_thread(self._hand_over, hashes):
            _LOG.warning("credentials_wait_for_broker", revision=wanted)
            return True
        await credential.note_applied(conn, revision=wanted, now=self._clock.now())
        self._done = wanted
        _LOG.info("credentials_applied", revision=wanted, nodes=len(hashes))
        return True

    def _hand_over(self, hashes: dict[str, str]) -> bool:
        self._broker.write_users(hashes)
        self._broker.reload()
        return running.wait_until(self._broker.has_taken_over, _RELOAD_TIMEOUT_S)
