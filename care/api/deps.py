"""What operations ask for, by name: a connection, the time, who is signed in, a patient."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Annotated, Final

from fastapi import Depends, Path, Query, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from msgspec import Struct
from pydantic import AwareDatetime

from care import measured
from care.api.gate import Gate
from care.api.problem import Problem, missing, not_signed_in, not_your_role
from care.people import sign_in
from care.people.permission import Action, may
from care.people.sign_in import SignedIn
from care.settings import CareSettings
from runtime.clock import Clock
from store import audit, node, patient
from store.pool import Connection, Pool

COOKIE: Final = "hearthbeat_session"
# How long a request waits for a connection before it answers 503.
DATABASE_PATIENCE_S: Final = 5.0
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LARGEST_ID: Final = 2**63 - 1


class Care(Struct, frozen=True):
    """What the application was built with."""

    settings: CareSettings
    pool: Pool
    clock: Clock
    # Hashing a password takes 64 MiB and a connection: a flood queues here, not everywhere.
    sign_ins: Gate


def care_of(request: Request) -> Care:
    """What the application was built with."""
    care: Care = request.app.state.care
    return care


TheCare = Annotated[Care, Depends(care_of)]


async def connection(care: TheCare) -> AsyncIterator[Connection]:
    """A connection in one transaction, committed before the answer leaves."""
    async with measured.connection(care.pool, DATABASE_PATIENCE_S) as conn:
        yield conn


def now(care: TheCare) -> datetime:
    """The hub's time, read once for a request."""
    return care.clock.now()


def address(request: Request) -> str:
    """Where the request comes from."""
    return request.client.host if request.client else ""


# The transaction ends with the function: a client that has its answer reads its own write.
Db = Annotated[Connection, Depends(connection, scope="function")]
Now = Annotated[datetime, Depends(now)]
Address = Annotated[str, Depends(address)]

_BEARER: Final = HTTPBearer(
    scheme_name="token", bearerFormat="hbt_…", auto_error=False, description="staff token"
)
_COOKIE: Final = APIKeyCookie(name=COOKIE, scheme_name="session", auto_error=False)
Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
SessionCookie = Annotated[str | None, Security(_COOKIE)]


def refuse_forged(request: Request) -> None:
    """A change with a session's cookie comes from our own pages: JSON, and not from elsewhere.

    The cookie is SameSite=Strict besides; forms of other sites can send neither.
    """
    if request.method in _SAFE:
        return
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    elsewhere = request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    if kind != "application/json" or elsewhere:
        raise Problem(
            403,
            "not-from-here",
            "With a session, a change is sent as application/json from the hub's own pages.",
            hint="Set 'Content-Type: application/json', or use a token instead of the session.",
        )


async def signed_in(
    request: Request,
    care: TheCare,
    conn: Db,
    at: Now,
    where: Address,
    bearer: Bearer,
    cookie: SessionCookie,
) -> SignedIn:
    """Who is asking, by token, else by session."""
    if "authorization" in request.headers:
        secret = bearer.credentials if bearer else ""
        person = await sign_in.by_token(conn, secret, now=at, address=where)
    elif cookie:
        refuse_forged(request)
        person = await sign_in.by_session(
            conn, cookie, now=at, lifetime=care.settings.lifetime, address=where
        )
    else:
        person = None
    if person is None:
        raise not_signed_in()
    return person


Me = Annotated[SignedIn, Depends(signed_in, scope="function")]


def _who_may(action: Action) -> Callable[[SignedIn], Awaitable[SignedIn]]:
    async def checked(me: Me) -> SignedIn:
        if not may(me.role, action):
            raise not_your_role(me.role)
        return me

    return checked


Administrator = Annotated[SignedIn, Depends(_who_may("administrate"), scope="function")]
SeesStaff = Annotated[SignedIn, Depends(_who_may("see_staff"), scope="function")]
ManagesNodes = Annotated[SignedIn, Depends(_who_may("manage_nodes"), scope="function")]
ClaimsUnits = Annotated[SignedIn, Depends(_who_may("claim_unit"), scope="function")]
Enrols = Annotated[SignedIn, Depends(_who_may("enrol_patient"), scope="function")]
EditsPlans = Annotated[SignedIn, Depends(_who_may("edit_plan"), scope="function")]
HandlesEpisodes = Annotated[SignedIn, Depends(_who_may("handle_episode"), scope="function")]
AssignsReadings = Annotated[SignedIn, Depends(_who_may("assign_reading"), scope="function")]

Id = Annotated[int, Path(ge=1, le=_LARGEST_ID)]
NodeId = Annotated[str, Path(pattern=r"^[a-z0-9]{8,24}$")]
Limit = Annotated[int, Query(ge=1, le=1000, description="at most so many")]
Since = Annotated[AwareDatetime | None, Query(description="from this instant on (with zone)")]
Until = Annotated[AwareDatetime | None, Query(description="before this instant (with zone)")]


async def patient_in_scope(patient_id: Id, me: Me, conn: Db) -> patient.Patient:
    """The patient, if the person may see them."""
    found = await patient.find_visible(conn, patient_id=patient_id, staff_id=me.staff_id)
    if found is None:
        raise missing()
    return found


async def node_in_scope(node_id: NodeId, me: Me, conn: Db) -> node.Node:
    """The node, if the person may see it."""
    found = await node.find_visible(conn, node_id=node_id, staff_id=me.staff_id)
    if found is None:
        raise missing()
    return found


PatientInScope = Annotated[patient.Patient, Depends(patient_in_scope, scope="function")]
NodeInScope = Annotated[node.Node, Depends(node_in_scope, scope="function")]


async def note(
    conn: Connection,
    me: SignedIn,
    at: datetime,
    action: str,
    kind: str,
    subject: int | str,
    **detail: object,
) -> None:
    """One line in the audit for what this person does with this request."""
    await audit.record(
        conn,
        at=at,
        action=action,
        staff_id=me.staff_id,
        subject_kind=kind,
        subject_id=subject,
        address=me.address,
        detail=detail,
    )
