"""Revisions of plans: made from edits, handed to the broker, confirmed by the device."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection

_SQL = queries("revision")

# Two messages of one device may overtake each other by this much on their way to the feed.
_OVERTAKING = timedelta(seconds=10)
# A device that claims more than this is broken; following it would break the plan's numbers.
_HIGHEST = 2**48


class Standing(Struct, frozen=True, kw_only=True):
    """Where a node's plan stands, held for the transaction."""

    edit: int
    published_edit: int
    revision: int
    edit_revision: int


class Revision(Struct, frozen=True, kw_only=True):
    """One revision as it goes to the device."""

    node_id: str
    revision: int
    body: bytes
    holds_until: datetime


class ZoneSpan(Struct, frozen=True, kw_only=True):
    """A patient's zone; `since` is None for the one that holds until the first own zone."""

    patient_id: int
    since: datetime | None
    time_zone: str


async def be_the_only_one(conn: Connection) -> None:
    """Wait until no other downlink works on this database; it holds as long as the connection.

    Two would take the client id at the broker from each other for ever.
    """
    await conn.execute(_SQL["only_one"])


async def due_nodes(
    conn: Connection, *, renew_before: datetime, resting: Sequence[str] = (), limit: int = 200
) -> list[str]:
    """Nodes that need a new revision: edited, or covered for less than they should be."""
    cursor = await conn.execute(
        _SQL["due"], {"renew_before": renew_before, "resting": list(resting), "limit": limit}
    )
    return [str(node_id) for (node_id,) in await cursor.fetchall()]


async def lock_plan(conn: Connection, node_id: str) -> Standing | None:
    """Where a plan stands; edits wait until the transaction ends."""
    async with conn.cursor(row_factory=class_row(Standing)) as cursor:
        await cursor.execute(_SQL["lock"], {"node_id": node_id})
        return await cursor.fetchone()


async def save(conn: Connection, revision: Revision, *, edit: int, edit_revision: int) -> None:
    """Keep the next revision; it waits to be handed to the broker."""
    await conn.execute(
        _SQL["save"],
        {
            "node_id": revision.node_id,
            "revision": revision.revision,
            "body": revision.body,
            "holds_until": revision.holds_until,
            "edit": edit,
            "edit_revision": edit_revision,
        },
    )


async def waiting(
    conn: Connection, *, now: datetime, resting: Sequence[str] = (), limit: int = 100
) -> list[Revision]:
    """Revisions the broker does not have yet, but not those of resting nodes."""
    async with conn.cursor(row_factory=class_row(Revision)) as cursor:
        await cursor.execute(
            _SQL["waiting"], {"now": now, "resting": list(resting), "limit": limit}
        )
        return await cursor.fetchall()


async def current(
    conn: Connection, *, now: datetime, after: str = "", limit: int = 100
) -> list[Revision]:
    """What should be retained at the broker, by node id, a page at a time."""
    async with conn.cursor(row_factory=class_row(Revision)) as cursor:
        await cursor.execute(_SQL["current"], {"now": now, "after": after, "limit": limit})
        return await cursor.fetchall()


async def handed_over(conn: Connection, revision: Revision, *, now: datetime) -> None:
    """The broker has taken this revision."""
    await conn.execute(
        _SQL["handed_over"],
        {"node_id": revision.node_id, "revision": revision.revision, "now": now},
    )


async def confirm(conn: Connection, node_id: str, revision: int, *, at: datetime) -> None:
    """The device has stored a revision."""
    if revision <= _HIGHEST:
        await conn.execute(_SQL["confirm"], {"node_id": node_id, "revision": revision, "at": at})
        await conn.execute(_SQL["overtake"], {"node_id": node_id, "revision": revision})


async def reported(conn: Connection, node_id: str, revision: int, *, at: datetime) -> None:
    """The device says which revision it holds; one that holds an older one gets it again."""
    await confirm(conn, node_id, revision, at=at)
    said = {
        "node_id": node_id,
        "revision": revision,
        "at": at,
        "said_before": at - _OVERTAKING,
    }
    await conn.execute(_SQL["lost"], said)
    await conn.execute(_SQL["send_again"], said)


async def revise(conn: Connection, node_id: str) -> None:
    """Ask for the next revision although nobody edited the plan."""
    await conn.execute(_SQL["revise"], {"node_id": node_id})


async def left_lately(conn: Connection, *, now: datetime) -> list[str]:
    """Nodes revoked within the last month."""
    cursor = await conn.execute(_SQL["left_lately"], {"since": now - timedelta(days=30)})
    return [str(node_id) for (node_id,) in await cursor.fetchall()]


async def zones_of(conn: Connection, patients: list[int]) -> list[ZoneSpan]:
    """The patients' zones over time: the area's first, then their own in order."""
    async with conn.cursor(row_factory=class_row(ZoneSpan)) as cursor:
        await cursor.execute(_SQL["zones"], {"patients": patients})
        return await cursor.fetchall()
