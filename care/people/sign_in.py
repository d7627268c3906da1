"""Signing in and out: who somebody is, by password, by session or by token.

Every attempt that was looked at is in the audit, and the audit is what the back-off counts, so
neither a restart nor a second process forgets it.
"""

from datetime import datetime, timedelta
from typing import Final, Literal

import structlog
from msgspec import Struct

from care.people import backoff, password, token
from store import audit, session, staff
from store.pool import Connection

log = structlog.get_logger()

IDLE: Final = timedelta(hours=12)
ABSOLUTE: Final = timedelta(days=7)
# A session's last use is noted at most this often: reading must not cost a write each time.
_NOTED_EVERY: Final = timedelta(minutes=1)


class SignedIn(Struct, frozen=True, kw_only=True):
    """Who is asking, and how they proved it."""

    staff_id: int
    user_name: str
    display_name: str
    role: str
    locale: str
    via: Literal["session", "token"]
    address: str | None = None


class Opened(Struct, frozen=True, kw_only=True):
    """A new session. The token is shown to the browser once and kept only as a hash."""

    token: str
    expires_at: datetime
    person: SignedIn


class Denied(Struct, frozen=True, kw_only=True):
    """A sign-in that did not happen; `wait_s` above 0 says it was not even looked at."""

    wait_s: float = 0.0


class Lifetime(Struct, frozen=True, kw_only=True):
    """How long a session lasts without use, and at the most."""

    idle: timedelta = IDLE
    absolute: timedelta = ABSOLUTE


USUAL: Final = Lifetime()


async def sign_in(
    conn: Connection,
    *,
    user_name: str,
    given: str,
    address: str,
    now: datetime,
    lifetime: Lifetime = USUAL,
) -> Opened | Denied:
    """Sign in by password. Commit also when denied: the failure is what slows guessing down."""
    name = user_name.strip().lower()[:60]
    wait = await _wait_s(conn, name, address, now)
    if wait > 0:
        log.warning("sign-in refused for a while", wait_s=round(wait, 1))
        return Denied(wait_s=wait)
    known = await staff.password_of(conn, name)
    if not await password.verify(known.password_hash if known else None, given) or known is None:
        await _note(conn, "sign_in_failed", name, None, address, now)
        return Denied()
    await _note(conn, "sign_in", name, known.id, address, now)
    return await _open(conn, known.id, address, now, lifetime)


async def _wait_s(conn: Connection, name: str, address: str, now: datetime) -> float:
    if not await audit.one_sign_in_at_a_time(conn, name):
        return 1.0
    failed = await audit.failed_sign_ins(
        conn, user_name=name, address=address, since=now - backoff.LOOK_BACK
    )
    return backoff.wait_s(failed, now=now)


async def _note(
    conn: Connection, action: str, name: str, staff_id: int | None, address: str, now: datetime
) -> None:
    await audit.record(
        conn,
        at=now,
        action=action,
        staff_id=staff_id,
        subject_kind="user",
        subject_id=name,
        address=address,
    )


async def _open(
    conn: Connection, staff_id: int, address: str, now: datetime, lifetime: Lifetime
) -> Opened:
    secret = token.session_token()
    expires_at = now + lifetime.absolute
    await session.open_session(
        conn,
        digest=token.digest(secret),
        staff_id=staff_id,
        address=address,
        now=now,
        expires_at=expires_at,
    )
    person = await by_session(conn, secret, now=now, lifetime=lifetime, address=address)
    if person is None:
        raise RuntimeError("a session that was just opened is not there")
    return Opened(token=secret, expires_at=expires_at, person=person)


async def by_session(
    conn: Connection,
    secret: str,
    *,
    now: datetime,
    lifetime: Lifetime = USUAL,
    address: str | None = None,
) -> SignedIn | None:
    """Who holds this session; None once it ended, expired or was idle for too long."""
    key = token.digest(secret)
    holder = await session.holder(conn, digest=key, now=now, idle_since=now - lifetime.idle)
    if holder is None:
        return None
    if holder.last_seen_at is None or now - holder.last_seen_at >= _NOTED_EVERY:
        await session.touch(conn, digest=key, now=now)
    return _person(holder, "session", address)


async def by_token(
    conn: Connection, secret: str, *, now: datetime, address: str | None = None
) -> SignedIn | None:
    """Who holds this API token; None once it was revoked, expired or its owner disabled."""
    key = token.digest(secret)
    holder = await session.token_holder(conn, digest=key, now=now)
    if holder is None:
        return None
    if holder.last_seen_at is None or now - holder.last_seen_at >= _NOTED_EVERY:
        await session.touch_token(conn, digest=key, now=now)
    return _person(holder, "token", address)


def _person(
    holder: session.Holder, via: Literal["session", "token"], address: str | None
) -> SignedIn:
    return SignedIn(
        staff_id=holder.staff_id,
        user_name=holder.user_name,
        display_name=holder.display_name,
        role=holder.role,
        locale=holder.locale,
        via=via,
        address=address,
    )


async def sign_out(conn: Connection, secret: str, person: SignedIn, *, now: datetime) -> None:
    """End this session."""
    if await session.end(conn, digest=token.digest(secret), now=now):
        await audit.record(
            conn,
            at=now,
            action="sign_out",
            staff_id=person.staff_id,
            subject_kind="user",
            subject_id=person.user_name,
            address=person.address,
        )
