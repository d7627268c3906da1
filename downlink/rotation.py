"""New credentials for nodes, in steps: the node always has one that works.

A certificate: the node is asked for a new key and answers with a signing request; it gets the
certificate and says that it keeps it; the old one ends after an overlap. A password: the node gets
it and says that it keeps it beside the old one; only then the broker changes over.
"""

import asyncio
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from psycopg import InterfaceError, OperationalError

from downlink.claims import Desk
from downlink.settings import DownlinkSettings
from runtime.authority import UnusableRequestError
from runtime.clock import Clock
from runtime.mosquitto_password import hash_password
from store import audit, certificate, command, credential, rotation
from store.pool import Connection, Pool
from store.rotation import UnderWay

_LOG = structlog.get_logger()
# How long a node may take for each step; one that is away gets it when it comes back.
_HOLDS: Final = timedelta(hours=1)
# A rotation that failed is tried again by itself after that.
_AGAIN_AFTER: Final = timedelta(days=1)
_GIVEN_UP: Final = frozenset({"error", "busy", "unsupported", "expired"})


class Rotations:
    """Takes every rotation a step further, and asks for those that are due."""

    def __init__(
        self, pool: Pool, desk: Desk | None, clock: Clock, settings: DownlinkSettings
    ) -> None:
        """Without a desk (no authority here) only passwords are rotated."""
        self._pool = pool
        self._desk = desk
        self._clock = clock
        self._settings = settings

    async def keep_going(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            await self.round()
            await asyncio.sleep(self._settings.rotation_look_s)

    async def round(self) -> None:
        """Ask where it is due, take every next step, end what was replaced long enough."""
        now = self._clock.now()
        async with self._pool.connection() as conn:
            for node_id in await self._due(conn, now):
                await rotation.ask(conn, node_id=node_id, asked_by="hub", at_once=False, now=now)
            await certificate.revoke_replaced(conn, now=now)
            waiting = await rotation.under_way(conn)
        for each in waiting:
            await self._step_safely(each, now)

    async def _due(self, conn: Connection, now: datetime) -> list[str]:
        if self._desk is None:
            return []
        return await rotation.due(conn, now=now, not_since=now - _AGAIN_AFTER)

    async def _step_safely(self, each: UnderWay, now: datetime) -> None:
        """One that cannot go on must not hold up the others."""
        try:
            async with self._pool.connection() as conn:
                await self._step(conn, each, now)
        except (OperationalError, InterfaceError):
            raise
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it has ended with that
            _LOG.exception("rotation_failed", node=each.node_id)
            async with self._pool.connection() as conn:
                await self._fail(conn, each, "a fault of the hub", now)

    async def _step(self, conn: Connection, each: UnderWay, now: datetime) -> None:
        if each.step == "asked":
            await self._begin(conn, each, now)
        elif each.answer in _GIVEN_UP:
            await self._fail(conn, each, f"the node answered {each.answer}", now)
        elif each.answer == "ok" and each.step == "key":
            await self._certify(conn, each, now)
        elif each.answer == "ok":
            await self._change_over(conn, each, now)

    async def _begin(self, conn: Connection, each: UnderWay, now: datetime) -> None:
        held = [c for c in await certificate.of_node(conn, each.node_id) if c.revoked_at is None]
        if not held:
            password = secrets.token_urlsafe(18)
            sent = await _send(conn, each, "credential", {"pass": password}, now)
            hashed = hash_password(password)
            await rotation.move(
                conn, each.id, step="credential", command_id=sent, password_hash=hashed
            )
        elif self._desk is None:
            await self._fail(conn, each, "this hub has no authority of its own", now)
        else:
            sent = await _send(conn, each, "key", {}, now)
            await rotation.move(conn, each.id, step="key", command_id=sent)

    async def _certify(self, conn: Connection, each: UnderWay, now: datetime) -> None:
        request = (each.out or {}).get("csr")
        if self._desk is None or not isinstance(request, str):
            await self._fail(conn, each, "the node answered without a signing request", now)
            return
        authority, life = self._desk.authority, self._desk.certificate_life
        try:
            issued = authority.sign(each.node_id, request, life=life, now=now)
        except UnusableRequestError as error:
            await self._fail(conn, each, str(error), now)
            return
        await certificate.add(
            conn,
            serial_number=issued.serial_number,
            node_id=each.node_id,
            not_before=issued.not_before,
            not_after=issued.not_after,
            now=now,
        )
        sent = await _send(conn, each, "credential", {"cert": issued.pem, "ca": authority.pem}, now)
        await rotation.move(
            conn, each.id, step="credential", command_id=sent, certificate=issued.serial_number
        )

    async def _change_over(self, conn: Connection, each: UnderWay, now: datetime) -> None:
        if each.certificate is not None:
            overlap = timedelta(days=self._settings.certificate_overlap_days)
            ends_at = now if each.at_once else now + overlap
            await certificate.replace_by(
                conn, node_id=each.node_id, serial_number=each.certificate, ends_at=ends_at
            )
            await certificate.revoke_replaced(conn, now=now)
        elif each.password_hash is not None:
            await credential.set_password(
                conn, node_id=each.node_id, password_hash=each.password_hash, now=now
            )
        await _end(conn, each, "done", None, now)
        await audit.record(
            conn,
            at=now,
            action="node_credentials_rotated",
            staff_id=None,
            subject_kind="node",
            subject_id=each.node_id,
        )
        _LOG.info("rotated", node=each.node_id)

    async def _fail(self, conn: Connection, each: UnderWay, why: str, now: datetime) -> None:
        _LOG.warning("rotation_ended_without", node=each.node_id, why=why)
        await _end(conn, each, "failed", why, now)


async def _end(conn: Connection, each: UnderWay, step: str, why: str | None, now: datetime) -> None:
    # Nothing of a password stays behind in the commands.
    if each.command_id is not None and each.password_hash is not None:
        await rotation.wipe(conn, each.command_id)
    await rotation.end(conn, each.id, step=step, why=why, now=now)


async def _send(
    conn: Connection, each: UnderWay, step: str, args: dict[str, Any], now: datetime
) -> str:
    command_id = f"rotate-{each.id}-{step}"
    await command.request(
        conn,
        command_id=command_id,
        node_id=each.node_id,
        op="rotate",
        args=args,
        episode_id=None,
        created_by="hub",
        now=now,
        expires_at=now + _HOLDS,
    )
    return command_id
