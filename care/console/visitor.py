"""Who looks at a page: the signed-in person, their language, and what every page shares."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from fastapi import Request
from msgspec import Struct
from starlette.responses import RedirectResponse, Response

from care import measured
from care.console.live import Live
from care.console.texts import Say
from care.people import permission, sign_in, token
from runtime.clock import Clock
from store import session
from store.pool import Connection, Pool

COOKIE: Final = "hearthbeat_session"
# A choice made before signing in, and on a machine several people share: per browser and person.
LANGUAGE_COOKIE: Final = "hearthbeat_language"

# While the database is away people are told so, not left with a blank page.
WAIT_S: Final = 4.0


class Console:
    """What every page needs: the database, the time, the news."""

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        live: Live,
        lifetime: sign_in.Lifetime,
        unit_key: Path | None = None,
    ) -> None:
        self.pool = pool
        self.clock = clock
        self.live = live
        self.lifetime = lifetime
        # Checks claim codes; None: units are not claimed at this hub.
        self.unit_key = unit_key

    def now(self) -> datetime:
        """The present instant, UTC."""
        return self.clock.now()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection whose changes are committed at the end, or none of them.

        Raises psycopg.OperationalError while the database is away, before a page gives up.
        """
        async with measured.connection(self.pool, WAIT_S) as conn:
            yield conn

    async def visitor(self, request: Request) -> "Visitor | None":
        """Who asks for a page; None for somebody who has to sign in first."""
        secret = request.cookies.get(COOKIE)
        if not secret:
            return None
        address = request.client.host if request.client else None
        async with self.transaction() as conn:
            person = await sign_in.by_session(
                conn, secret, now=self.now(), lifetime=self.lifetime, address=address
            )
        if person is None:
            return None
        return Visitor(person=person, secret=secret, say=Say(language(request, person)))

    async def still_signed_in(self, conn: Connection, visitor: "Visitor") -> bool:
        """Whether the session still holds; an open page alone does not keep it alive."""
        now = self.now()
        holder = await session.holder(
            conn,
            digest=token.digest(visitor.secret),
            now=now,
            idle_since=now - self.lifetime.idle,
        )
        return holder is not None


class Visitor(Struct, frozen=True, kw_only=True):
    """One signed-in person on one page."""

    person: sign_in.SignedIn
    secret: str
    say: Say

    @property
    def staff_id(self) -> int:
        """Whose scope holds."""
        return self.person.staff_id

    def may(self, action: permission.Action) -> bool:
        """Whether the person's role allows it at all."""
        return permission.may(self.person.role, action)


def language(request: Request, person: sign_in.SignedIn | None) -> str:
    """The language chosen in this browser by this person, else the person's own."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    owner, _, locale = chosen.partition(":")
    if person is None:
        return locale or "zh-CN"
    return locale if owner == str(person.staff_id) else person.locale


def to_sign_in(request: Request) -> Response:
    """Send somebody to sign in, and back to where they wanted to go."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    onward = "" if wanted == "/" else f"?next={quote(wanted, safe='/')}"
    return RedirectResponse(f"/sign-in{onward}", 303)
