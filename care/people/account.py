"""Accounts of staff: making one, its tokens, its password, and closing it.

Used by the API, by the command line and at the first start. `by` is the person who does it;
None is the command line of the hub's own machine.
"""

import asyncio
from datetime import datetime
from typing import Final

from msgspec import Struct

from care.people import password, token
from store import audit, session, staff, team
from store.pool import Connection

MEMBER_STEP: Final = 1


class NewAccount(Struct, frozen=True, kw_only=True):
    """What is known of a person before they have an account; `password` None: token only."""

    user_name: str
    display_name: str
    role: str = "doctor"
    locale: str = "zh-CN"
    password: str | None = None
    team_id: int | None = None
    step: int = MEMBER_STEP


async def open_account(
    conn: Connection, new: NewAccount, *, by: int | None, now: datetime
) -> staff.Staff:
    """Make the account and put the person on their team's ladder.

    Raises RefusedByRuleError or WeakPasswordError.
    """
    person = await staff.add(
        conn,
        user_name=new.user_name,
        display_name=new.display_name,
        role=new.role,
        locale=new.locale,
        password_hash=await _hashed(new.password, new.user_name),
        now=now,
    )
    if new.team_id is not None:
        await team.put_member(conn, team_id=new.team_id, staff_id=person.id, step=new.step)
    await _note(conn, "staff_added", person.id, by, now, role=new.role)
    return person


async def _hashed(given: str | None, user_name: str) -> str | None:
    if given is None:
        return None
    accepted = password.accept(given, user_name=user_name)
    return await asyncio.to_thread(password.hash_password, accepted)


async def make_token(
    conn: Connection,
    staff_id: int,
    *,
    label: str,
    by: int | None,
    now: datetime,
    expires_at: datetime | None = None,
) -> str:
    """A new API token; this is the only time anybody sees it. Raises RefusedByRuleError."""
    secret = token.api_token()
    token_id = await session.make_token(
        conn,
        digest=token.digest(secret),
        staff_id=staff_id,
        label=label,
        now=now,
        expires_at=expires_at,
    )
    await _note(conn, "token_made", staff_id, by, now, token_id=token_id)
    return secret


async def revoke_tokens(conn: Connection, staff_id: int, *, by: int | None, now: datetime) -> int:
    """Every token of the person stops working at once; how many there were."""
    count = await session.revoke_tokens(conn, staff_id=staff_id, now=now)
    await _note(conn, "tokens_revoked", staff_id, by, now, count=count)
    return count


async def set_password(
    conn: Connection, person: staff.Staff, given: str, *, by: int | None, now: datetime
) -> None:
    """A new password; every session of the person ends. Raises WeakPasswordError."""
    hashed = await _hashed(given, person.user_name)
    if hashed is not None:
        await staff.set_password(conn, staff_id=person.id, password_hash=hashed)
    await session.end_all(conn, staff_id=person.id, now=now)
    await _note(conn, "password_set", person.id, by, now)


async def close_account(conn: Connection, staff_id: int, *, by: int | None, now: datetime) -> bool:
    """The person signs in no more; sessions and tokens end at once. Whether it was open."""
    closed = await staff.disable(conn, staff_id=staff_id, now=now)
    await session.end_all(conn, staff_id=staff_id, now=now)
    await session.revoke_tokens(conn, staff_id=staff_id, now=now)
    await _note(conn, "staff_disabled", staff_id, by, now)
    return closed


async def _note(
    conn: Connection, action: str, staff_id: int, by: int | None, now: datetime, **detail: object
) -> None:
    await audit.record(
        conn,
        at=now,
        action=action,
        staff_id=by,
        subject_kind="staff",
        subject_id=staff_id,
        detail=detail,
    )
