"""Doing something from a page: still signed in, still allowed, in one transaction, in the audit."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

import structlog
from msgspec import Struct
from nicegui import ui
from psycopg import Error

from care.console.frame import Frame
from care.console.pieces import toast
from care.people import permission, sign_in
from store import audit
from store.pool import Connection

log = structlog.get_logger()

Deed = Callable[[Connection, datetime], Awaitable[None]]


class DeedRefused(Exception):  # noqa: N818 - the word says what happened, like contract's Refused
    """It was not done. The message is in the reader's language: it is shown as it is."""


class Note(Struct, frozen=True, kw_only=True):
    """What the audit says of a deed, and the permission it takes."""

    needs: permission.Action
    action: str
    subject_kind: str
    subject_id: int
    detail: Mapping[str, object] = {}


async def do(page: Frame, note: Note, deed: Deed, *, said: str) -> bool:
    """Do it and tell the person how it went; whether it was done.

    The deed runs in one transaction together with its line in the audit. It raises DeedRefused
    when it is not to be done, which undoes everything.
    """

    async def noted(conn: Connection, now: datetime) -> None:
        await deed(conn, now)
        await _record(page, conn, note)

    return await do_noted(page, note.needs, noted, said=said, action=note.action)


async def do_noted(
    page: Frame, needs: permission.Action, deed: Deed, *, said: str, action: str
) -> bool:
    """The same for a deed that writes its own lines into the audit."""
    say = page.say
    try:
        async with page.console.transaction() as conn:
            person = await still(page, conn)
            if person is None:
                ui.navigate.to("/sign-in")
                return False
            if not permission.may(person.role, needs):
                toast(say("problem.not_allowed"), good=False)
                return False
            await deed(conn, page.console.now())
    except DeedRefused as refused:
        toast(str(refused), good=False)
        return False
    except (Error, OSError) as problem:
        log.warning("deed not done", action=action, problem=type(problem).__name__)
        toast(say("problem.down"), good=False)
        return False
    toast(said, good=True)
    return True


async def still(page: Frame, conn: Connection) -> sign_in.SignedIn | None:
    """Who acts, as of now: what they do also keeps their session alive."""
    return await sign_in.by_session(
        conn,
        page.visitor.secret,
        now=page.console.now(),
        lifetime=page.console.lifetime,
        address=page.visitor.person.address,
    )


async def _record(page: Frame, conn: Connection, note: Note) -> None:
    await audit.record(
        conn,
        at=page.console.now(),
        action=note.action,
        staff_id=page.visitor.staff_id,
        subject_kind=note.subject_kind,
        subject_id=note.subject_id,
        address=page.visitor.person.address,
        detail=note.detail,
    )
