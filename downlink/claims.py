"""A unit asks to become a node: nonce, proof, and then its node with credentials.

What was answered may get lost, so a unit may ask again until its node was seen ready: it stays the
same node and gets new credentials, the earlier ones end. Secrets are never logged.
"""

import asyncio
import math
import secrets
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import structlog
from msgspec import Struct

from contract.claim_code import hub_proof, same_proof, unit_proof
from contract.claims import ClaimAnswer, ClaimRequest
from contract.codec import decode_claim
from contract.errors import ERRORS, Refused
from contract.instants import to_millis
from contract.topics import SERIAL_PATTERN
from downlink.claim_patience import LOOK_BACK, Pace, locked_until
from downlink.nonces import Nonces
from downlink.settings import DownlinkSettings
from runtime.authority import Authority, Issued, NoAuthorityError, UnusableRequestError
from runtime.clock import Clock
from runtime.mosquitto_password import hash_password
from runtime.sealing import CannotUnsealError, Sealer, load_sealer
from store import audit, certificate, claim, credential, device, node, unit
from store.claim import Claim
from store.pool import Connection, Pool

_LOG = structlog.get_logger()
_LARGEST = 16_384
# How soon a unit that nobody has bound yet may ask again.
_NOT_BOUND_AFTER_S = 10
_APPLIED_WITHIN_S = 12.0


class Desk(Struct, frozen=True, kw_only=True):
    """What claims are answered with: keys, and where nodes connect."""

    sealer: Sealer
    authority: Authority
    host: str
    password_port: int
    certificate_port: int
    certificate_life: timedelta


class Given(NamedTuple):
    """What a node was given: a password or a certificate."""

    node_id: str
    password: str | None
    issued: Issued | None


class NotServedError(Exception):
    """This hub does not answer claims; the message says what is missing."""


class _No(Exception):  # noqa: N818 - an answer, not a fault
    def __init__(self, code: str, msg: str | None = None, after_s: float | None = None) -> None:
        super().__init__(code)
        self.code, self.msg, self.after_s = code, msg, after_s


def desk_of(settings: DownlinkSettings) -> Desk:
    """The desk as the hub set it up. Raises NotServedError."""
    paths: tuple[Path | None, Path | None] = (settings.unit_key, settings.authority)
    host, ports = (
        settings.device_mqtt_host,
        (settings.device_mqtt_tls_port, settings.device_mqtts_port),
    )
    if paths[0] is None or paths[1] is None or host is None or ports[0] is None or ports[1] is None:
        raise NotServedError("keys or the addresses for devices are not set")
    try:
        return Desk(
            sealer=load_sealer(paths[0]),
            authority=Authority.load(paths[1]),
            host=host,
            password_port=ports[0],
            certificate_port=ports[1],
            certificate_life=timedelta(days=settings.certificate_days),
        )
    except (CannotUnsealError, NoAuthorityError) as error:
        raise NotServedError(str(error)) from error


class Claims:
    """Answers units. One for the process: nonces and paces are in memory, locks in the database."""

    def __init__(self, pool: Pool, desk: Desk, clock: Clock) -> None:
        self._pool = pool
        self._desk = desk
        self._clock = clock
        self._nonces = Nonces()
        self._pace = Pace()

    async def answer(self, serial: str, payload: bytes) -> ClaimAnswer | None:
        """The answer to what came on this unit's `req`; None for a topic that is no unit's."""
        if not SERIAL_PATTERN.match(serial):
            return None
        try:
            request = _read(serial, payload)
            if request.proof is None:
                return await self._nonce(serial)
            return await self._prove(request)
        except _No as no:
            _LOG.info("claim_refused", serial=serial, code=no.code)
            after = None if no.after_s is None else math.ceil(no.after_s)
            msg = no.msg or ERRORS[no.code].en.meaning
            return ClaimAnswer(ok=False, serial=serial, code=no.code, msg=msg, after=after)

    async def complete(self) -> None:
        """Close the claims of nodes that were seen ready: their code opens nothing any more."""
        async with self._pool.connection() as conn:
            for done in await claim.complete_seen(conn, now=self._clock.now()):
                _LOG.info("claim_completed", serial=done.serial, node=done.node_id)

    async def _nonce(self, serial: str) -> ClaimAnswer:
        now = self._clock.now()
        wait = self._pace.wait_s(serial, now)
        if wait > 0:
            raise _No("E5101", after_s=wait)
        async with self._pool.connection() as conn:
            await _known(conn, serial)
            await _demand_unlocked(conn, serial, now)
            _demand_open(await claim.lock_open(conn, serial))
        nonce = self._nonces.give(serial, now)
        return ClaimAnswer(ok=True, serial=serial, nonce=nonce.text, exp=to_millis(nonce.until))

    async def _prove(self, request: ClaimRequest) -> ClaimAnswer:
        serial, nonce, now = request.serial, request.hub_nonce or "", self._clock.now()
        if not self._nonces.take(serial, nonce, now):
            raise _No("E4102")
        async with self._pool.connection() as conn:
            known = await _known(conn, serial)
            secret = self._desk.sealer.unseal(known.factory_secret, about=serial)
            proven = await self._check_proof(conn, request, secret, now)
        # Out of the transaction above: a wrong proof has to be counted.
        if not proven:
            raise _No("E4103")
        async with self._pool.connection() as conn:
            given = await self._give(conn, request, now)
        if given.password is not None:
            await self._wait_applied(given.node_id)
        _LOG.info("claim_issued", serial=serial, node=given.node_id, kind=_kind(given))
        return self._told(serial, nonce, secret, given)

    async def _check_proof(
        self, conn: Connection, request: ClaimRequest, secret: bytes, now: datetime
    ) -> bool:
        """Whether the proof is right; a wrong one is noted. Raises _No while it is locked."""
        serial = request.serial
        await _demand_unlocked(conn, serial, now)
        nonce = request.hub_nonce or ""
        expected = unit_proof(secret, serial=serial, nonce=nonce, csr=request.csr)
        if same_proof(expected, request.proof or ""):
            await claim.forgive(conn, serial=serial, address=None, what="proof")
            return True
        await claim.note_failure(conn, serial=serial, address=None, what="proof", at=now)
        return False

    async def _give(self, conn: Connection, request: ClaimRequest, now: datetime) -> Given:
        found = _demand_open(await claim.lock_open(conn, request.serial))
        node_id = found.node_id or node.new_id()
        issued = self._sign(node_id, request.csr, now)
        if found.node_id is None:
            await _make_node(conn, found, node_id, now)
        await certificate.revoke_of_node(conn, node_id=node_id, now=now)
        password = await _credential(conn, node_id, issued, now)
        await claim.issued(conn, found.id, node_id=node_id, now=now)
        await audit.record(
            conn,
            at=now,
            action="claim_issued",
            staff_id=None,
            subject_kind="node",
            subject_id=node_id,
            detail={"serial": request.serial, "kind": "password" if password else "certificate"},
        )
        return Given(node_id, password, issued)

    async def _wait_applied(self, node_id: str) -> None:
        """Until the broker knows the password; no connection is held meanwhile."""
        wanted, applied, until = 0, -1, time.monotonic() + _APPLIED_WITHIN_S
        while applied < wanted and time.monotonic() < until:
            async with self._pool.connection() as conn:
                found = await credential.revision(conn)
            wanted, applied = wanted or found.wanted, found.applied
            if applied < wanted:
                await asyncio.sleep(0.1)
        if applied < wanted:
            _LOG.warning("claim_not_applied_yet", node=node_id)

    def _sign(self, node_id: str, request: str | None, now: datetime) -> Issued | None:
        if request is None:
            return None
        try:
            life = self._desk.certificate_life
            return self._desk.authority.sign(node_id, request, life=life, now=now)
        except UnusableRequestError as error:
            raise _No("E4105", str(error)) from error

    def _told(self, serial: str, nonce: str, secret: bytes, given: Given) -> ClaimAnswer:
        desk, issued = self._desk, given.issued
        ca = desk.authority.pem
        return ClaimAnswer(
            ok=True,
            serial=serial,
            node=given.node_id,
            user=given.node_id,
            password=given.password,
            cert=issued.pem if issued else None,
            ca=ca,
            host=desk.host,
            port=desk.certificate_port if issued else desk.password_port,
            exp=to_millis(issued.not_after) if issued else None,
            proof=hub_proof(secret, serial=serial, nonce=nonce, node=given.node_id, ca=ca),
        )


def _read(serial: str, payload: bytes) -> ClaimRequest:
    if len(payload) > _LARGEST:
        raise _No("E4107", f"{len(payload)} bytes, at most {_LARGEST}")
    try:
        request = decode_claim(payload)
    except Refused as error:
        bad = error.defect
        raise _No("E4107", f"{bad.code} at '{bad.path}': {bad.msg}") from error
    if request.serial != serial:
        raise _No("E4107", "serial is not that of the topic")
    return request


async def _known(conn: Connection, serial: str) -> unit.Unit:
    found = await unit.find(conn, serial)
    if found is None or found.retired_at is not None:
        raise _No("E4101")
    return found


async def _demand_unlocked(conn: Connection, serial: str, now: datetime) -> None:
    until = locked_until(await claim.wrong_proofs(conn, serial=serial, since=now - LOOK_BACK))
    if until is not None and now < until:
        raise _No("E4104", after_s=(until - now).total_seconds())


def _demand_open(found: Claim | None) -> Claim:
    if found is None:
        raise _No("E4101", after_s=_NOT_BOUND_AFTER_S)
    if found.completed_at is not None:
        raise _No("E4106")
    return found


async def _make_node(conn: Connection, found: Claim, node_id: str, now: datetime) -> None:
    """A node for the person and home of the claim; its devices come with its birth."""
    await node.add(
        conn,
        node_id=node_id,
        area_id=found.area_id,
        household_id=found.household_id,
        label=found.label,
        now=now,
    )
    itself = await device.add(conn, node_id=node_id, dev="", type_="gateway", now=now)
    if found.patient_id is not None:
        await device.bind(conn, device_id=itself, who="", patient_id=found.patient_id, since=None)


async def _credential(
    conn: Connection, node_id: str, issued: Issued | None, now: datetime
) -> str | None:
    """Note the certificate, or make the password; the other kind, and what was before, ends."""
    if issued is None:
        password = secrets.token_urlsafe(18)
        await credential.set_password(
            conn, node_id=node_id, password_hash=hash_password(password), now=now
        )
        return password
    await credential.revoke(conn, node_id=node_id, now=now)
    await certificate.add(
        conn,
        serial_number=issued.serial_number,
        node_id=node_id,
        not_before=issued.not_before,
        not_after=issued.not_after,
        now=now,
    )
    return None


def _kind(given: Given) -> str:
    return "password" if given.issued is None else "certificate"
