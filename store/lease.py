"""A lease: of several processes one acts, and another takes over when it is killed or frozen.

A frozen process keeps its connections and every lock it has, so a lock alone does not tell. The
holder renews; who waits sees that nothing is renewed any more, takes the lease under the next
epoch and ends every session of the old holder with the same statement. Sessions are told apart by
their `application_name`; each asks `admit` when it is opened. So an old holder that comes back has
no session, and gets none: the writing itself need not ask.

Every function is one statement, to be run outside a transaction: whoever freezes between two holds
nobody up.
"""

from datetime import datetime
from typing import NamedTuple

import psycopg
import structlog

from store.failure import UnavailableError
from store.named import queries
from store.pool import Connection

_LOG = structlog.get_logger()
_SQL = queries("lease")


class FencedError(UnavailableError):
    """Somebody else holds the lease now: this process may not write any more."""


class Seen(NamedTuple):
    """The lease as somebody saw it. `connected`: its holder has sessions at this database."""

    holder: str | None
    epoch: int
    renewed_at: datetime
    connected: bool


class Held(NamedTuple):
    """A lease that was taken."""

    name: str
    holder: str
    epoch: int


def session_name(what: str, holder: str) -> str:
    """The `application_name` of a session that belongs to a holder; 63 characters count."""
    return f"{what} @{holder}"


def waiting_name(name: str, holder: str) -> str:
    """The `application_name` of a session that waits for a lease."""
    return f"{_waiting(name)}{holder}"


def _waiting(name: str) -> str:
    return f"hearthbeat waits {name[:24]} #"


async def spare_the_disk(conn: Connection) -> None:
    """Once a session: its renewals need not survive a crash."""
    await conn.execute(_SQL["not_durable"])


async def look(conn: Connection, name: str) -> Seen | None:
    """Who holds it; None: nobody ever did."""
    row = await (await conn.execute(_SQL["look"], {"name": name})).fetchone()
    return None if row is None else Seen(*row)


async def take(conn: Connection, name: str, holder: str, seen: Seen | None) -> Held | None:
    """Take it as it was seen, and end the sessions of who had it. None: somebody was faster, or
    it was renewed after all."""
    before, epoch, renewed_at, _ = seen or (None, None, None, False)
    names = {"name": name, "holder": holder, "before": before}
    said = {**names, "epoch": epoch, "renewed_at": renewed_at}
    try:
        row = await (await conn.execute(_SQL["take"], said)).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        _LOG.warning("old_sessions_stay", reason="the database role may not end them")
        row = await (await conn.execute(_SQL["take_only"], said)).fetchone()
    if row is None:
        return None
    if row[1]:
        _LOG.info("old_sessions_ended", number=row[1])
    return Held(name, holder, int(row[0]))


async def renew(conn: Connection, held: Held) -> int:
    """Still ours: how many wait for it. Raises FencedError when it is not."""
    said = held._asdict() | {"waiting": _waiting(held.name) + "%"}
    row = await (await conn.execute(_SQL["renew"], said)).fetchone()
    if row is None:
        raise FencedError("somebody else holds the lease")
    return int(row[0])


async def admit(conn: Connection, held: Held) -> None:
    """Whether a session that was just opened may be used. Raises FencedError."""
    if (await conn.execute(_SQL["admit"], held._asdict())).rowcount == 0:
        raise FencedError("somebody else holds the lease")


async def release(conn: Connection, held: Held) -> None:
    """Give it back: who waits need not wait any longer."""
    await conn.execute(_SQL["release"], held._asdict())
