"""Looking at what was refused: by product, by reason, one by one; and asking for a replay.

Every query takes the staff id and shows only what that person's scope allows: refusals of nodes
in it; what came from no node of ours is for administrators.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection

_SQL = queries("reject_query")

_NUMBER: Final = re.compile(r"/[0-9]+(?=/|$)")
# What one press may have taken again; a whole night of one device is less.
MOST_AT_ONCE: Final = 5000


class Product(Struct, frozen=True):
    """What sent something, as its birth said then; None: it had not said."""

    maker: str | None
    model: str | None
    firmware: str | None


class Wanted(Struct, frozen=True, kw_only=True):
    """What to look for, refused in [since, until). `text` is anywhere in product, node, place,
    value or reason; `payload` are bytes anywhere in the message."""

    since: datetime
    until: datetime = datetime(9000, 1, 1, tzinfo=UTC)
    code: str | None = None
    text: str | None = None
    node_id: str | None = None
    maker: str | None = None
    model: str | None = None
    firmware: str | None = None
    payload: bytes | None = None


class ProductLine(Struct, frozen=True, kw_only=True):
    """How much of one product was refused; `nodes` 0: from no node of ours."""

    maker: str | None
    model: str | None
    firmware: str | None
    times: int
    nodes: int
    first_at: datetime
    last_at: datetime
    codes: list[str]

    @property
    def product(self) -> Product:
        """Which one."""
        return Product(self.maker, self.model, self.firmware)


class KindLine(Struct, frozen=True, kw_only=True):
    """One code at one place, entries of lists taken together: `/ser/*/u`."""

    code: str
    place: str
    times: int
    nodes: int
    first_at: datetime
    last_at: datetime
    newest_id: int
    reason: str
    got: str | None
    to_replay: int


class Line(Struct, frozen=True, kw_only=True):
    """One refusal of a list, with its message where this row carries it."""

    id: int
    received_at: datetime
    node_id: str | None
    node_label: str | None
    topic: str
    boot: int | None
    seq: int | None
    code: str
    path: str | None
    got: str | None
    reason: str
    payload: bytes
    kept: int
    dropped: int
    maker: str | None
    model: str | None
    firmware: str | None
    replay_asked_at: datetime | None
    replayed_at: datetime | None
    replay_result: str | None

    @property
    def product(self) -> Product:
        """What sent it."""
        return Product(self.maker, self.model, self.firmware)


class RejectPage(Line, frozen=True, kw_only=True):
    """One refusal and its whole message. `carrier_id` is the row that holds the message."""

    carrier_id: int
    replay_asked_by: str | None


class AlikeLine(Struct, frozen=True, kw_only=True):
    """One message among those refused for the same reason."""

    id: int
    received_at: datetime
    node_id: str | None
    node_label: str | None
    seq: int | None
    path: str | None
    got: str | None
    replay_asked_at: datetime | None
    replayed_at: datetime | None
    replay_result: str | None


class Count(Struct, frozen=True, kw_only=True):
    """How often a code was told in the hour or day that begins then (UTC)."""

    at: datetime
    code: str
    times: int


class ReplayLine(Struct, frozen=True, kw_only=True):
    """What one person had taken again at one instant. `stored` counts those in part, too."""

    at: datetime
    by: str
    asked: int
    done: int
    stored: int
    in_part: int
    refused: int
    nothing_new: int


def place_of(path: str | None) -> str:
    """A path with the numbers of entries left out, as `kinds` tells it: `/ser/*/u`."""
    return _NUMBER.sub("/*", path or "")


async def products(
    conn: Connection, *, staff_id: int, wanted: Wanted, limit: int = 100
) -> list[ProductLine]:
    """What was refused, one line a product and firmware, the most refused first."""
    values = {"staff_id": staff_id, "limit": limit} | _asdict(wanted)
    async with conn.cursor(row_factory=class_row(ProductLine)) as cursor:
        return await (await cursor.execute(_SQL["products"], values)).fetchall()


async def kinds(
    conn: Connection, product: Product, *, staff_id: int, wanted: Wanted, limit: int = 100
) -> list[KindLine]:
    """What of one product was refused, one line a code and place; `text` does not narrow it."""
    values = {"staff_id": staff_id, "limit": limit} | _asdict(wanted) | _asdict(product)
    async with conn.cursor(row_factory=class_row(KindLine)) as cursor:
        return await (await cursor.execute(_SQL["kinds"], values)).fetchall()


async def one(conn: Connection, *, reject_id: int, staff_id: int) -> RejectPage | None:
    """One refusal; None alike for none and for one that is not this person's to see."""
    values = {"reject_id": reject_id, "staff_id": staff_id}
    async with conn.cursor(row_factory=class_row(RejectPage)) as cursor:
        return await (await cursor.execute(_SQL["one"], values)).fetchone()


async def alike(
    conn: Connection,
    product: Product,
    *,
    code: str,
    place: str,
    staff_id: int,
    wanted: Wanted,
    limit: int = 50,
) -> list[AlikeLine]:
    """The messages of one product refused with this code at this place (`/ser/*/u`)."""
    values = {"staff_id": staff_id, "limit": limit} | _asdict(wanted) | _asdict(product)
    values |= {"code": code, "place": place}
    async with conn.cursor(row_factory=class_row(AlikeLine)) as cursor:
        return await (await cursor.execute(_SQL["alike"], values)).fetchall()


async def page(
    conn: Connection, *, staff_id: int, wanted: Wanted, before: int = 2**63 - 1, limit: int = 100
) -> list[Line]:
    """What was refused, newest first, with ids below `before`."""
    values = {"staff_id": staff_id, "before": before, "limit": limit} | _asdict(wanted)
    async with conn.cursor(row_factory=class_row(Line)) as cursor:
        return await (await cursor.execute(_SQL["page"], values)).fetchall()


async def counts(
    conn: Connection,
    *,
    staff_id: int,
    wanted: Wanted,
    step: Literal["hour", "day"],
    limit: int = 5000,
) -> list[Count]:
    """How much was refused by code over time; `text` and `payload` do not narrow it."""
    values = {"staff_id": staff_id, "step": step, "limit": limit} | _asdict(wanted)
    async with conn.cursor(row_factory=class_row(Count)) as cursor:
        return await (await cursor.execute(_SQL["counts"], values)).fetchall()


async def replays(
    conn: Connection, *, staff_id: int, since: datetime, limit: int = 20
) -> list[ReplayLine]:
    """What was asked to be taken again since then, the newest first, and how far it is."""
    values = {"staff_id": staff_id, "since": since, "limit": limit}
    async with conn.cursor(row_factory=class_row(ReplayLine)) as cursor:
        return await (await cursor.execute(_SQL["replays"], values)).fetchall()


async def ask_replay(
    conn: Connection, *, ids: Sequence[int], staff_id: int, by: str, now: datetime
) -> list[int]:
    """Have the messages of these refusals taken again; the ids of the rows that carry them.

    Left out are those out of scope, of no node in use, and those asked for and not yet done.
    """
    values = {"ids": list(ids), "staff_id": staff_id, "by": by, "now": now}
    cursor = await conn.execute(_SQL["ask_replay"], values)
    asked = [int(row[0]) for row in await cursor.fetchall()]
    if asked:
        await conn.execute(_SQL["wake_replay"])
    return asked


def _asdict(values: Struct) -> dict[str, Any]:
    return {name: getattr(values, name) for name in values.__struct_fields__}
