"""From a unit with a printed code to a node: ask, prove, check the hub's own proof, keep, only
then use.

Every step may be the last one before the power goes: the key is on disk before it is asked for,
the answer before it is used, and whatever was not kept is asked for again.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import random
from typing import Final

import structlog
from msgspec import Struct

from contract import claim_code, codec
from contract.errors import Refused
from contract.messages import ClaimAnswer, ClaimRequest
from contract.topics import claim
from gateway import trust
from gateway.connection import Connection, ConnectionEndedError, Outline
from gateway.identity import Identity, Vault
from runtime.backoff import full_jitter

_LOG = structlog.get_logger()
_WAIT_CAP: Final = 60.0
_WAIT_FINAL: Final = 300.0
_NEVER_AGAIN: Final = frozenset({"E4103", "E4105", "E4106", "E4107"})
_FRESH_NONCES: Final = 3


class Order(Struct, frozen=True, kw_only=True):
    """Where to claim, and with what. `context` makes the TLS context; it may ask the server."""

    host: str
    port: int
    serial: str
    code: str
    secret: bytes
    context: Callable[[], ssl.SSLContext]
    password: bool = False
    model: str = "gateway"
    firmware: str | None = None
    mqtt_version: int = 5
    answer_seconds: float = 40.0
    wait_seconds: float = 5.0
    refused_pause: float = 60.0


class ClaimRefusedError(Exception):
    """The hub said no. `final`: asking again changes nothing."""

    def __init__(self, answer: ClaimAnswer) -> None:
        super().__init__(f"{answer.code}: {answer.msg or 'refused'}")
        self.code = answer.code or ""
        self.after = answer.after
        self.final = self.code in _NEVER_AGAIN


class FakeHubError(Exception):
    """Whoever answered does not know the secret of this unit, or answered nonsense."""


async def until_bound(
    order: Order, vault: Vault, *, forever: bool, told: Callable[[str], None]
) -> Identity:
    """Ask until this unit is a node; `told` hears why it is not yet, as a code or a few words.

    What asking again cannot change is raised, or with `forever` asked again at the slowest pace:
    ClaimRefusedError, FakeHubError.
    """
    attempt = 0
    while True:
        jitter = full_jitter(attempt, base=order.wait_seconds, cap=_WAIT_CAP, rand=random)
        pause = max(order.wait_seconds, jitter)
        try:
            return await claim_once(order, vault)
        except ClaimRefusedError as error:
            if error.final and not forever:
                raise
            told(error.code)
            pause = max(pause, float(error.after or 0), _WAIT_FINAL if error.final else 0.0)
        except FakeHubError as error:
            if not forever:
                raise
            told(str(error))
            pause = _WAIT_FINAL
        except (ConnectionEndedError, trust.UntrustedError, OSError) as error:
            told(f"{error}")
            slow = isinstance(error, ConnectionEndedError) and error.refused
            pause = max(pause, order.refused_pause if slow else 0.0)
        attempt += 1
        _LOG.info("not_bound_yet", again_in=round(pause))
        await asyncio.sleep(pause)


async def claim_once(order: Order, vault: Vault) -> Identity:
    """Claim over one connection; on disk when it returns.

    Raises ClaimRefusedError, FakeHubError, ConnectionEndedError, UntrustedError or OSError.
    """
    request = (
        None if order.password else await asyncio.to_thread(vault.signing_request, order.serial)
    )
    answers: asyncio.Queue[ClaimAnswer] = asyncio.Queue()
    connection = Connection(await _outline(order), lambda _topic, payload: _read(payload, answers))
    try:
        await connection.open([claim(order.serial, "res")])

        async def ask(wanted: ClaimRequest) -> ClaimAnswer:
            connection.publish(claim(order.serial, "req"), codec.encode(wanted))
            return await _next(answers, connection, order.answer_seconds)

        answer, nonce = await _converse(order, request, ask)
    finally:
        connection.close()
    _check(order, answer, nonce, vault)
    return _keep(order, answer, vault)


async def _outline(order: Order) -> Outline:
    user = claim_code.claim_user(order.serial)
    return Outline(
        host=order.host,
        port=order.port,
        user=user,
        password=order.code,
        tls=await asyncio.to_thread(order.context),
        mqtt_version=order.mqtt_version,
    )


def _read(payload: bytes, answers: asyncio.Queue[ClaimAnswer]) -> None:
    try:
        answers.put_nowait(codec.decode_claim_answer(payload))
    except Refused as error:
        _LOG.warning("claim_answer_refused", code=error.defect.code)


async def _next(
    answers: asyncio.Queue[ClaimAnswer], connection: Connection, seconds: float
) -> ClaimAnswer:
    waiting = asyncio.ensure_future(answers.get())
    either: set[asyncio.Future[object]] = {waiting, connection.ended}  # type: ignore[arg-type]
    try:
        await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
    finally:
        waiting.cancel()
    if connection.ended.done():
        raise connection.ended.result()
    raise ConnectionEndedError("the hub does not answer the claim")


async def _converse(
    order: Order, request: str | None, ask: Callable[[ClaimRequest], Awaitable[ClaimAnswer]]
) -> tuple[ClaimAnswer, str]:
    """A nonce, then the proof; an outdated nonce is asked for anew. Returns the answer and the
    nonce it belongs to."""
    for _ in range(_FRESH_NONCES):
        first = await ask(ClaimRequest(serial=order.serial))
        if not first.ok:
            raise ClaimRefusedError(first)
        if first.nonce is None:
            raise FakeHubError("the hub gave no nonce")
        proof = claim_code.unit_proof(
            order.secret, serial=order.serial, nonce=first.nonce, csr=request
        )
        answer = await ask(
            ClaimRequest(
                serial=order.serial,
                model=order.model,
                fw=order.firmware,
                hub_nonce=first.nonce,
                proof=proof,
                csr=request,
            )
        )
        if answer.ok and answer.node is not None:
            return answer, first.nonce
        if not answer.ok and answer.code != "E4102":
            break
    if answer.ok:
        raise FakeHubError("the hub answers every proof with a nonce")
    raise ClaimRefusedError(answer)


def _check(order: Order, answer: ClaimAnswer, nonce: str, vault: Vault) -> None:
    """Nobody is believed who does not know the secret of this unit."""
    if answer.node is None or answer.host is None or answer.port is None:
        raise FakeHubError("the answer names no node, host or port")
    expected = claim_code.hub_proof(
        order.secret, serial=order.serial, nonce=nonce, node=answer.node, ca=answer.ca or ""
    )
    if answer.serial != order.serial or not claim_code.same_proof(expected, answer.proof or ""):
        raise FakeHubError("the hub could not prove that it knows this unit")
    if order.password:
        if answer.password is None or answer.user not in {None, answer.node}:
            raise FakeHubError("the answer holds no password of the node")
    elif answer.cert is None or not vault.fits(answer.cert):
        raise FakeHubError("the answer holds no certificate for our key")


def _keep(order: Order, answer: ClaimAnswer, vault: Vault) -> Identity:
    identity = Identity(
        node=answer.node or "",
        host=answer.host or order.host,
        port=answer.port or order.port,
        password=answer.password if order.password else None,
    )
    kept = vault.keep(identity, cert=None if order.password else answer.cert, ca=answer.ca)
    _LOG.info("bound", node=kept.node, serial=order.serial)
    return kept


def read_secret(path: Path) -> bytes:
    """The factory secret: 32 hex digits in a file. Raises ValueError with what to do."""
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as hex digits ({type(error).__name__})") from None
    if len(secret) != claim_code.SECRET_BYTES:
        raise ValueError(f"{path}: a factory secret is {claim_code.SECRET_BYTES * 2} hex digits")
    return secret
