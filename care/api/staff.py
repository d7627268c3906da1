"""The people who work here: /api/staff."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import AwareDatetime, Field, StringConstraints

from care.api.deps import Administrator, Db, Id, Now, SeesStaff
from care.api.problem import PROBLEMS, missing
from care.api.shapes import Asked, Done, Line, Locale, Role, Told, UserName
from care.people import account
from store import staff

router = APIRouter(prefix="/api/staff", tags=["staff"], responses=PROBLEMS)


class NewStaff(Asked):
    """A person to add. Without a password they use tokens only."""

    user: UserName
    display_name: Line
    role: Role = "doctor"
    locale: Locale = "zh-CN"
    team_id: int | None = Field(default=None, ge=1)
    step: int = Field(default=1, ge=1, le=9)
    password: Annotated[str, StringConstraints(max_length=200)] | None = None


class StaffBody(Told):
    """A person who works here."""

    id: int
    user_name: str
    display_name: str
    role: Role
    locale: Locale
    disabled_at: datetime | None


class StaffList(Told):
    """People."""

    staff: list[StaffBody]


class NewToken(Asked):
    """A token for a program that acts as this person."""

    label: Line = "API"
    expires_at: AwareDatetime | None = None


class TokenBody(Told):
    """A new token: this is the only time it is shown."""

    staff_id: int
    token: str


@router.get("", operation_id="list_staff", response_model=StaffList)
async def list_staff(me: SeesStaff, conn: Db) -> object:
    """The people of your teams; everybody for an administrator."""
    return {"staff": await staff.beside(conn, me.staff_id)}


@router.post("", operation_id="add_staff", response_model=StaffBody, status_code=201)
async def add_staff(asked: NewStaff, me: Administrator, conn: Db, now: Now) -> object:
    """Add a person; make a token for them separately."""
    new = account.NewAccount(user_name=asked.user, **asked.model_dump(exclude={"user"}))
    return await account.open_account(conn, new, by=me.staff_id, now=now)


@router.post(
    "/{staff_id}/tokens", operation_id="make_token", response_model=TokenBody, status_code=201
)
async def make_token(
    staff_id: Id, asked: NewToken, me: Administrator, conn: Db, now: Now
) -> object:
    """Make an API token. It is shown once and kept only as a hash."""
    if await staff.find(conn, staff_id) is None:
        raise missing()
    secret = await account.make_token(
        conn, staff_id, label=asked.label, expires_at=asked.expires_at, by=me.staff_id, now=now
    )
    return TokenBody(staff_id=staff_id, token=secret)


@router.post("/{staff_id}/revoke-tokens", operation_id="revoke_tokens", response_model=Done)
async def revoke_tokens(staff_id: Id, me: Administrator, conn: Db, now: Now) -> object:
    """Let every token of the person stop working, at once."""
    if await staff.find(conn, staff_id) is None:
        raise missing()
    revoked = await account.revoke_tokens(conn, staff_id, by=me.staff_id, now=now)
    return Done(done=revoked > 0, at=now)


@router.post("/{staff_id}/disable", operation_id="disable_staff", response_model=Done)
async def disable_staff(staff_id: Id, me: Administrator, conn: Db, now: Now) -> object:
    """Let a person in no more; sessions and tokens end at once, what they did stays theirs."""
    if await staff.find(conn, staff_id) is None:
        raise missing()
    closed = await account.close_account(conn, staff_id, by=me.staff_id, now=now)
    return Done(done=closed, at=now)
