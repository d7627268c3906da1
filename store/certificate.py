"""Certificates the hub's own authority gave to nodes, and which of them open nothing any more."""

from datetime import datetime, timedelta

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection

_SQL = queries("certificate")
# A clock that is set back must not bring one to life that was left out as expired.
_KEPT_LISTED = timedelta(days=30)


class Certificate(Struct, frozen=True, kw_only=True):
    """One certificate; `ends_at` is when the next one has taken its place, None: it goes on."""

    serial_number: str
    node_id: str
    not_before: datetime
    not_after: datetime
    issued_at: datetime
    ends_at: datetime | None
    revoked_at: datetime | None


class Listed(Struct, frozen=True, kw_only=True):
    """A line of the list of revoked certificates; `has_no_other`: the node is out by that."""

    serial_number: str
    node_id: str
    revoked_at: datetime
    has_no_other: bool


async def add(
    conn: Connection,
    *,
    serial_number: str,
    node_id: str,
    not_before: datetime,
    not_after: datetime,
    now: datetime,
) -> None:
    """Note a certificate before the node gets it."""
    values = {
        "serial_number": serial_number,
        "node_id": node_id,
        "not_before": not_before,
        "not_after": not_after,
        "now": now,
    }
    await conn.execute(_SQL["add"], values)


async def of_node(conn: Connection, node_id: str) -> list[Certificate]:
    """The certificates of a node, the newest first."""
    async with conn.cursor(row_factory=class_row(Certificate)) as cursor:
        await cursor.execute(_SQL["of_node"], {"node_id": node_id})
        return await cursor.fetchall()


async def revoke_of_node(
    conn: Connection, *, node_id: str, now: datetime, but: str | None = None
) -> int:
    """Revoke all certificates of a node (but one); how many there were."""
    values = {"node_id": node_id, "now": now, "but": but}
    return (await conn.execute(_SQL["revoke"], values)).rowcount


async def replace_by(
    conn: Connection, *, node_id: str, serial_number: str, ends_at: datetime
) -> None:
    """Let the node's other certificates end then."""
    values = {"node_id": node_id, "but": serial_number, "ends_at": ends_at}
    await conn.execute(_SQL["replace"], values)


async def revoke_replaced(conn: Connection, *, now: datetime) -> int:
    """Revoke what has been replaced long enough; how many there were."""
    over = await (await conn.execute(_SQL["over"], {"now": now})).fetchall()
    # Not without rows: the statement alone would wake whoever follows the credentials.
    if over:
        values = {"serial_number": [number for (number,) in over], "now": now}
        await conn.execute(_SQL["revoke_these"], values)
    return len(over)


async def revoked(conn: Connection, *, now: datetime) -> list[Listed]:
    """What belongs on the list of revoked certificates."""
    async with conn.cursor(row_factory=class_row(Listed)) as cursor:
        await cursor.execute(_SQL["revoked"], {"since": now - _KEPT_LISTED})
        return await cursor.fetchall()
