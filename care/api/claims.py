"""Binding units to homes by what is printed on them: /api/claims."""

import math
from datetime import datetime
from typing import Annotated

import structlog
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field, StringConstraints

from care.api.deps import (
    Address,
    Care,
    ClaimsUnits,
    Db,
    Id,
    ManagesNodes,
    Me,
    Now,
    TheCare,
)
from care.api.problem import PROBLEMS, Problem, missing, refused
from care.api.shapes import Asked, Done, Line, Told
from care.people import claiming
from care.people.placing import AmbiguousPlaceError, for_node
from care.people.sign_in import SignedIn
from runtime.sealing import CannotUnsealError, Sealer, load_sealer
from store import claim, patient
from store.claim import Claim
from store.pool import Connection

_LOG = structlog.get_logger()
router = APIRouter(prefix="/api", tags=["claims"], responses=PROBLEMS)

Printed = Annotated[str, StringConstraints(strip_whitespace=True, min_length=4, max_length=80)]


class NewClaim(Asked):
    """A unit to bind, by its QR text, or by serial and claim code as typed; for a patient or area.

    Without a label it is named by its serial.
    """

    qr: Printed | None = None
    serial: Printed | None = None
    code: Printed | None = None
    patient_id: int | None = Field(default=None, ge=1)
    area_id: int | None = Field(default=None, ge=1)
    label: Line | None = None


class ClaimBody(Told):
    """A claim: `open` (the unit has not asked yet), `issued`, `completed` (seen ready), `ended`."""

    id: int
    serial: str
    state: str
    area_id: int
    patient_id: int | None
    label: str
    node_id: str | None
    opened_at: datetime
    issued_at: datetime | None
    completed_at: datetime | None
    ended_at: datetime | None


class ClaimsBody(Told):
    """Open claims in your scope, the newest first."""

    claims: list[ClaimBody]


def _body(found: Claim) -> ClaimBody:
    names = set(ClaimBody.model_fields) - {"state"}
    told = {name: getattr(found, name) for name in names}
    return ClaimBody(state=claiming.state_of(found), **told)


@router.post("/claims", operation_id="open_claim", response_model=ClaimBody, status_code=201)
async def open_claim(
    asked: NewClaim, me: ClaimsUnits, conn: Db, now: Now, where: Address, care: TheCare
) -> object:
    """Bind a unit to a patient of yours; it becomes a node as soon as it asks.

    Wrong codes slow down the address they come from, never the unit.
    """
    sealer = _sealer(care)
    try:
        printed = claiming.read_printed(qr=asked.qr, serial=asked.serial, code=asked.code)
    except claiming.UnreadableCodeError as error:
        raise refused(
            f"{error}.".capitalize(),
            "Compare it with the label, or scan the QR code.",
            status=422,
            name="code-not-readable",
        ) from error
    place = await _place(conn, asked, me)
    outcome = await claiming.open_claim(
        conn, sealer, printed, place, by=me.staff_id, address=where, now=now
    )
    if isinstance(outcome, claiming.Denied):
        # Returned, not raised: the failure is committed, and it is what slows guessing down.
        return _denied(outcome)
    found = await claim.find(conn, outcome.claim_id)
    return _body(found) if found else missing().answer()


def _sealer(care: Care) -> Sealer:
    try:
        if care.settings.unit_key is not None:
            return load_sealer(care.settings.unit_key)
    except CannotUnsealError:
        # The caller learns that claims are not served; why is for whoever runs the hub.
        _LOG.exception("unit_key_unreadable")
    raise refused(
        "Units are not claimed at this hub.",
        "A hub with a broker of its own claims units; add a node instead.",
        status=409,
        name="claims-not-served",
    )


async def _place(conn: Connection, asked: NewClaim, me: SignedIn) -> claiming.Place:
    owner = None
    if asked.patient_id is not None:
        owner = await patient.find_visible(conn, patient_id=asked.patient_id, staff_id=me.staff_id)
        if owner is None:
            raise missing()
    try:
        area_id = await for_node(conn, staff_id=me.staff_id, area_id=asked.area_id, owner=owner)
    except AmbiguousPlaceError as error:
        raise refused(
            f"{error}.".capitalize(),
            "Say patient_id or area_id; GET /api/areas lists yours.",
            status=422,
            name="place-not-clear",
        ) from error
    return claiming.Place(area_id=area_id, patient_id=asked.patient_id, label=asked.label or "")


def _denied(outcome: claiming.Denied) -> JSONResponse:
    if outcome.wait_s > 0:
        wait = math.ceil(outcome.wait_s)
        return Problem(
            429,
            "too-many-attempts",
            "Too many wrong codes from here; this one was not looked at.",
            hint=f"Try again in {wait} seconds.",
            headers={"Retry-After": str(wait)},
        ).answer()
    return Problem(
        403,
        "code-wrong",
        "This hub knows no such unit with this claim code.",
        hint="Compare serial and code with the label; has the unit been added to this hub?",
    ).answer()


@router.get("/claims", operation_id="list_claims", response_model=ClaimsBody)
async def list_claims(me: Me, conn: Db) -> object:
    """The open claims in your scope."""
    found = await claim.visible(conn, staff_id=me.staff_id)
    return ClaimsBody(claims=[_body(one) for one in found])


@router.get("/claims/{claim_id}", operation_id="read_claim", response_model=ClaimBody)
async def read_claim(claim_id: Id, me: Me, conn: Db) -> object:
    """How far a claim has come."""
    return _body(await _in_scope(conn, claim_id, me))


@router.delete("/claims/{claim_id}", operation_id="end_claim", response_model=Done)
async def end_claim(claim_id: Id, me: ManagesNodes, conn: Db, now: Now) -> object:
    """Release a unit: its node is cut off within seconds, and it can be bound again."""
    found = await _in_scope(conn, claim_id, me)
    return Done(done=await claiming.end_claim(conn, found, by=me.staff_id, now=now), at=now)


async def _in_scope(conn: Connection, claim_id: int, me: SignedIn) -> Claim:
    mine = await claim.visible(conn, staff_id=me.staff_id)
    found = next((one for one in mine if one.id == claim_id), None)
    if found is None:
        raise missing()
    return found
