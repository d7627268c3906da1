"""The broker's files follow the database: added nodes and units get in, revoked ones are cut.

Three files go together: passwords, the access list (units that are no node yet have lines of
their own) and the list of revoked certificates. The broker reads them without a restart.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import psycopg
import structlog
from msgspec import Struct

from contract.acl import with_units
from contract.claim_code import claim_user
from runtime import running
from runtime.authority import Authority, Revoked
from runtime.clock import Clock
from runtime.mosquitto_server import MosquittoServer
from store import certificate, credential, unit
from store.certificate import Listed
from store.pool import Connection, listening

_LOG = structlog.get_logger()
_POLL_S = 2.0
# A reload makes the broker pause, so changes that come close together share one; it rests ten
# times as long as it paused, but whoever is revoked is cut within seconds all the same.
_RELOAD_GAP_S = 1.0
_LONGEST_GAP_S = 4.0
_RELOAD_REST = 10.0
# Units on a shelf: the broker's pause grows with the square of their number (1,000: 0.04 s,
# 10,000: 1 s), so only the newest may ask. One that is bound always may.
_UNBOUND_UNITS = 1000
_RELOAD_TIMEOUT_S = 10.0
# The list of revoked certificates is made new that often, long before it expires.
_LIST_RENEWED_S: Final = 30 * 86_400


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


class _Files(Struct, frozen=True):
    """What the broker is to work with."""

    hashes: Mapping[str, str]
    acl: str
    revoked: tuple[Listed, ...]


class Credentials:
    """Keeps one broker in step with nodes, units and certificates of the database."""

    def __init__(
        self, broker: MosquittoServer, clock: Clock, authority: Authority | None = None
    ) -> None:
        """The broker need not run yet. Without an authority no certificate is looked at."""
        self._broker = broker
        self._clock = clock
        self._authority = authority
        self._done: tuple[int, int] | None = None
        self._given: _Files | None = None
        self._took_s = 0.0

    async def follow(self, database_url: str) -> None:
        """Follow until cancelled, through outages of both; NOTIFY wakes, polling is the truth."""
        while True:
            try:
                async with listening(database_url, "credentials") as conn:
                    while True:
                        if await self.sync(conn):
                            await asyncio.sleep(self._rest_s())
                        [n async for n in conn.notifies(timeout=_POLL_S, stop_after=1)]
            except (psycopg.Error, OSError) as error:
                _LOG.warning("credentials_wait_for_database", reason=type(error).__name__)
                await asyncio.sleep(_POLL_S)

    def _rest_s(self) -> float:
        return min(_LONGEST_GAP_S, max(_RELOAD_GAP_S, _RELOAD_REST * self._took_s))

    async def sync(self, conn: Connection) -> bool:
        """Hand the broker what it does not have yet; whether it had to read its files."""
        now = self._clock.now()
        wanted, period = (await credential.revision(conn)).wanted, _period(now)
        if self._done == (wanted, period):
            return False
        # Read after the revision: what came in between is taken along, and done once more.
        files = await _read(conn, now)
        changed = files != self._given or self._done is None or self._done[1] != period
        if changed and not await asyncio.to_thread(self._hand_over, files, now):
            _LOG.warning("credentials_wait_for_broker", revision=wanted)
            return True
        await credential.note_applied(conn, revision=wanted, now=self._clock.now())
        self._done, self._given = (wanted, period), files
        _LOG.info("credentials_applied", revision=wanted, users=len(files.hashes), read=changed)
        return changed

    def _hand_over(self, files: _Files, now: datetime) -> bool:
        began = time.monotonic()
        self._broker.write_users(
            files.hashes, acl=files.acl, revocations=self._list(files.revoked, now)
        )
        self._broker.reload()
        taken = running.wait_until(self._broker.has_taken_over, _RELOAD_TIMEOUT_S)
        self._took_s = time.monotonic() - began
        return taken and all(self._broker.evict(node) for node in self._to_evict(files.revoked))

    def _list(self, revoked: Iterable[Listed], now: datetime) -> str | None:
        if self._authority is None:
            return None
        lines = (Revoked(one.serial_number, one.revoked_at) for one in revoked)
        return self._authority.revocations(lines, now=now)

    def _to_evict(self, revoked: Iterable[Listed]) -> set[str]:
        """Who may still be connected by a certificate that is revoked.

        After a start of the hub only nodes that have no other one: the broker started too, and
        the others came back with their new one.
        """
        if self._given is None:
            return {one.node_id for one in revoked if one.has_no_other}
        known = {one.serial_number for one in self._given.revoked}
        return {one.node_id for one in revoked if one.serial_number not in known}


async def _read(conn: Connection, now: datetime) -> _Files:
    units = await unit.may_ask(conn, unbound=_UNBOUND_UNITS)
    hashes = {c.node_id: c.password_hash for c in await credential.live(conn)}
    hashes |= {claim_user(one.serial): one.code_hash for one in units}
    return _Files(
        hashes=hashes,
        acl=with_units(one.serial for one in units),
        revoked=tuple(await certificate.revoked(conn, now=now)),
    )


def _period(now: datetime) -> int:
    return int(now.timestamp() // _LIST_RENEWED_S)
