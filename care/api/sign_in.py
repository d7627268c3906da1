"""POST /api/sign-in, POST /api/sign-out, GET /api/me."""

import math
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import StringConstraints

from care.api.deps import COOKIE, DATABASE_PATIENCE_S, Address, Db, Me, Now, SessionCookie, TheCare
from care.api.problem import PROBLEMS, Problem
from care.api.shapes import Asked, Done, Locale, Role, Told
from care.measured import connection
from care.people import sign_in
from care.people.permission import PERMISSIONS
from care.people.sign_in import SignedIn
from care.settings import CareSettings
from store import team
from store.pool import Connection

router = APIRouter(prefix="/api", tags=["sign-in"], responses=PROBLEMS)


class SignIn(Asked):
    """A user name and a password."""

    user: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class OwnTeam(Told):
    """A team of the person who is signed in."""

    id: int
    name: str


class MeBody(Told):
    """Who is signed in, in which teams, and what their role may do."""

    staff_id: int
    user: str
    display_name: str
    role: Role
    locale: Locale
    via: str
    teams: list[OwnTeam]
    may: list[str]


class SignedInBody(Told):
    """A session was opened; its token is in the cookie and nowhere else."""

    me: MeBody
    expires_at: datetime


async def me_body(conn: Connection, me: SignedIn) -> MeBody:
    """What somebody is told about themselves."""
    teams = await team.of_staff(conn, me.staff_id)
    return MeBody.model_validate(
        {
            "staff_id": me.staff_id,
            "user": me.user_name,
            "display_name": me.display_name,
            "role": me.role,
            "locale": me.locale,
            "via": me.via,
            "teams": [OwnTeam(id=one.id, name=one.name) for one in teams],
            "may": [action for action, roles in PERMISSIONS.items() if me.role in roles],
        }
    )


@router.post("/sign-in", operation_id="sign_in", response_model=SignedInBody)
async def open_session(asked: SignIn, response: Response, care: TheCare, where: Address) -> object:
    """Sign in by password; the answer sets the session's cookie (HttpOnly, SameSite=Strict)."""
    async with care.sign_ins.passed(), connection(care.pool, DATABASE_PATIENCE_S) as conn:
        outcome = await sign_in.sign_in(
            conn,
            user_name=asked.user,
            given=asked.password,
            address=where,
            now=care.clock.now(),
            lifetime=care.settings.lifetime,
        )
        if isinstance(outcome, sign_in.Denied):
            # Returned, not raised: the failure is committed, and it is what slows guessing down.
            return _denied(outcome)
        told = SignedInBody(me=await me_body(conn, outcome.person), expires_at=outcome.expires_at)
    set_cookie(response, outcome, care.settings)
    return told


def _denied(outcome: sign_in.Denied) -> JSONResponse:
    if outcome.wait_s > 0:
        wait = math.ceil(outcome.wait_s)
        return Problem(
            429,
            "too-many-attempts",
            "Too many attempts; this one was not looked at.",
            hint=f"Try again in {wait} seconds.",
            headers={"Retry-After": str(wait)},
        ).answer()
    return Problem(
        401,
        "sign-in-failed",
        "The user name or the password is wrong.",
        hint="Check both; an administrator can set a new password.",
    ).answer()


def set_cookie(response: Response, opened: sign_in.Opened, settings: CareSettings) -> None:
    """Hand the session to the browser, out of reach of scripts and of other sites."""
    response.set_cookie(
        COOKIE,
        opened.token,
        max_age=int(settings.session_absolute_s),
        path="/",
        httponly=True,
        samesite="strict",
        secure=settings.secure,
    )


@router.post("/sign-out", operation_id="sign_out", response_model=Done)
async def close_session(
    response: Response, me: Me, conn: Db, now: Now, cookie: SessionCookie
) -> object:
    """End this session. A token is not a session: revoke it instead."""
    if me.via == "session" and cookie:
        await sign_in.sign_out(conn, cookie, me, now=now)
        response.delete_cookie(COOKIE, path="/")
    return Done(done=me.via == "session", at=now)


@router.get("/me", operation_id="read_me", response_model=MeBody)
async def read_me(me: Me, conn: Db) -> object:
    """Who is signed in."""
    return await me_body(conn, me)
