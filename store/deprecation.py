"""What devices still send that a later version will not take: who, what, since when, how often."""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection

_SQL = queries("deprecation")


class Use(Struct, frozen=True, kw_only=True):
    """What one node sent, by the product behind it as its birth said then.

    `place` has `*` for the entries of lists: `/ser/*/u`. `detail` names what is deprecated and
    what to use.
    """

    node_id: str
    maker: str | None
    model: str | None
    firmware: str | None
    code: str
    place: str
    detail: str


class Seen(Struct, frozen=True, kw_only=True):
    """How often, and when first and last."""

    times: int
    first_at: datetime
    last_at: datetime


class UseLine(Struct, frozen=True, kw_only=True):
    """One use of one product and firmware; `newest_node` sent it last."""

    maker: str | None
    model: str | None
    firmware: str | None
    code: str
    place: str
    detail: str
    times: int
    nodes: int
    first_at: datetime
    last_at: datetime
    newest_node: str


async def note(conn: Connection, uses: Iterable[tuple[Use, Seen]]) -> None:
    """Add these to what is known. Part of a transaction."""
    columns: dict[str, list[object]] = {
        name: [] for name in (*Use.__struct_fields__, *Seen.__struct_fields__)
    }
    for pair in uses:
        for part in pair:
            for name in part.__struct_fields__:
                columns[name].append(getattr(part, name))
    if columns["node_id"]:
        await conn.execute(_SQL["note"], columns)


async def lines(
    conn: Connection,
    *,
    staff_id: int,
    since: datetime,
    node_id: str | None = None,
    limit: int = 100,
) -> list[UseLine]:
    """What nodes in a person's scope sent since then, by product, the latest first."""
    values = {"staff_id": staff_id, "since": since, "node_id": node_id, "limit": limit}
    async with conn.cursor(row_factory=class_row(UseLine)) as cursor:
        return await (await cursor.execute(_SQL["lines"], values)).fetchall()


async def prune(conn: Connection, *, before: datetime) -> int:
    """Forget what was last sent before then; how many rows."""
    return (await conn.execute(_SQL["prune"], {"before": before})).rowcount
