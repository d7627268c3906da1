"""Units and claims: adding what left the factory, binding it to a home, releasing it again.

Used by the API, the console and the command line; `by` None is the command line. A wrong code
slows down whoever types it, never the unit: its serial number is no secret.
"""

import hmac
import secrets
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from care.people import enrolment
from care.people.backoff import Patience
from contract import claim_code
from contract.topics import SERIAL_PATTERN
from runtime.mosquitto_password import hash_password
from runtime.sealing import Sealer
from store import audit, claim, patient, unit
from store.claim import Claim, WrongCodes
from store.pool import Connection

LOOK_BACK: Final = timedelta(hours=1)
# Of one unit from one address, and of all units from one address; see `backoff`.
_PAIR: Final = Patience(free=5, longest_s=900)
_ADDRESS: Final = Patience(free=20, longest_s=900)
# The address of the command line: the hub's own machine.
HERE: Final = "command line"


class UnreadableCodeError(ValueError):
    """What was typed or scanned is no claim code; the message says what to look at."""


class MadeUnit(Struct, frozen=True, kw_only=True):
    """A unit with its secrets, which are shown this once. `secret` is hex."""

    serial: str
    maker: str | None = None
    model: str | None = None
    code: str
    secret: str

    @property
    def qr(self) -> str:
        """What its QR code says."""
        return claim_code.qr_text(self.serial, self.code)


class Place(Struct, frozen=True, kw_only=True):
    """Where a unit is bound to: a person, or only an area (a station for many)."""

    area_id: int
    patient_id: int | None = None
    label: str = ""


class Bound(Struct, frozen=True, kw_only=True):
    """A unit is bound: it becomes a node as soon as it asks."""

    claim_id: int
    serial: str


class Denied(Struct, frozen=True, kw_only=True):
    """The code is wrong, or there is no such unit; `wait_s` above 0: it was not even looked at."""

    wait_s: float = 0.0


def make_unit(serial: str, maker: str | None, model: str | None) -> MadeUnit:
    """A unit with a random claim code and factory secret. Raises ValueError for its serial."""
    check_serial(serial)
    code = None
    while code is None:
        code = claim_code.make_code(secrets.randbits(45))
    secret = secrets.token_hex(claim_code.SECRET_BYTES)
    return MadeUnit(serial=serial, maker=maker, model=model, code=code, secret=secret)


def check_serial(serial: str) -> None:
    """Raise ValueError for what cannot be a serial number."""
    if not SERIAL_PATTERN.match(serial):
        raise ValueError(
            f"{serial!r}: a serial is 4 to 32 letters, digits, hyphens and underscores"
        )


async def add_unit(
    conn: Connection, sealer: Sealer, made: MadeUnit, *, by: int | None, now: datetime
) -> None:
    """Let the hub know a unit; its secrets are kept sealed and as digests only.

    Raises RefusedByRuleError.
    """
    new = unit.NewUnit(
        serial=made.serial,
        maker=made.maker,
        model=made.model,
        factory_secret=sealer.seal(bytes.fromhex(made.secret), about=made.serial),
        code_mac=sealer.digest(made.code, about=made.serial),
        code_hash=hash_password(made.code),
    )
    await unit.add(conn, new, now=now)
    await _note(conn, "unit_added", made.serial, by, now)


def read_printed(*, qr: str | None, serial: str | None, code: str | None) -> claim_code.Printed:
    """What is printed on a unit, scanned or typed. Raises UnreadableCodeError."""
    if qr is not None:
        printed = claim_code.read_qr(qr)
        if printed is None:
            raise UnreadableCodeError("this QR code is not of a unit (HH1:serial:code)")
        return printed
    if serial is None or code is None or not SERIAL_PATTERN.match(serial):
        raise UnreadableCodeError("a unit is named by its QR code, or by serial and claim code")
    read = claim_code.read_code(code)
    if read is None:
        raise UnreadableCodeError(
            "the claim code is mistyped: it is ten letters and digits, the last one a check"
        )
    return claim_code.Printed(serial, read)


async def open_claim(
    conn: Connection,
    sealer: Sealer,
    printed: claim_code.Printed,
    place: Place,
    *,
    by: int | None,
    address: str,
    now: datetime,
) -> Bound | Denied:
    """Bind a unit. Commit also when denied: the failure is what slows guessing down.

    Raises RefusedByRuleError when it is bound already.
    """
    serial = printed.serial
    failed = await claim.wrong_codes(conn, serial=serial, address=address, since=now - LOOK_BACK)
    wait = _wait_s(failed, now)
    if wait > 0:
        return Denied(wait_s=wait)
    if not await _is_right(conn, sealer, printed):
        await claim.note_failure(conn, serial=serial, address=address, what="code", at=now)
        return Denied()
    await claim.forgive(conn, serial=serial, address=address, what="code")
    claim_id = await claim.open_(
        conn,
        serial=serial,
        area_id=place.area_id,
        household_id=await enrolment.home_of(conn, [place.patient_id]),
        patient_id=place.patient_id,
        label=place.label or serial,
        opened_by="command line" if by is None else f"staff:{by}",
        now=now,
    )
    await _note(conn, "claim_opened", serial, by, now, patient_id=place.patient_id)
    return Bound(claim_id=claim_id, serial=serial)


async def _is_right(conn: Connection, sealer: Sealer, printed: claim_code.Printed) -> bool:
    """Whether this is the code of a unit in use; nobody learns which of the two was wrong."""
    found = await unit.find(conn, printed.serial)
    known = found.code_mac if found is not None and found.retired_at is None else b""
    said = sealer.digest(printed.code, about=printed.serial)
    return hmac.compare_digest(known, said)


def _wait_s(failed: WrongCodes, now: datetime) -> float:
    ends = (
        (failed.pair_at, _PAIR.wait(failed.pair)),
        (failed.address_at, _ADDRESS.wait(failed.address)),
    )
    return max([0.0, *((at + wait - now).total_seconds() for at, wait in ends if at is not None)])


async def end_claim(conn: Connection, found: Claim, *, by: int | None, now: datetime) -> bool:
    """Release a unit: its node leaves the hub, and it can be bound again, as another node.

    What is retained of the node is cleared from the broker. Whether it was bound.
    """
    ended = await claim.end(conn, found.id, now=now)
    if found.node_id is not None:
        await enrolment.revoke_node(conn, found.node_id, by=by, now=now)
    if ended:
        await _note(conn, "claim_ended", found.serial, by, now)
    return ended


def state_of(found: Claim) -> str:
    """`open` (the unit has not asked yet), `issued`, `completed` (seen ready) or `ended`."""
    if found.ended_at is not None:
        return "ended"
    if found.completed_at is not None:
        return "completed"
    return "open" if found.issued_at is None else "issued"


async def place_of(conn: Connection, patient_id: int, label: str) -> Place | None:
    """Where a patient lives; None when there is no such patient."""
    person = await patient.find(conn, patient_id)
    if person is None:
        return None
    return Place(area_id=person.area_id, patient_id=person.id, label=label)


async def _note(
    conn: Connection, action: str, serial: str, by: int | None, now: datetime, **detail: object
) -> None:
    await audit.record(
        conn,
        at=now,
        action=action,
        staff_id=by,
        subject_kind="unit",
        subject_id=serial,
        detail=detail,
    )
