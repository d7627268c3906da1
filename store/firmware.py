"""Firmware announced for products, and what each node made of the notice it was given."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import Struct
from psycopg.rows import class_row

from store.named import queries
from store.pool import Connection
from store.refused import in_words

_SQL = queries("firmware")

# The broker drops a notice after this; it is told again when half of it is over.
KEPT_AT_BROKER: Final = timedelta(days=30)
_LONGEST_DETAIL: Final = 512


class NewFirmware(Struct, frozen=True, kw_only=True):
    """A firmware to announce; `hardware` None is every hardware of the model.

    `window` bounds the local hours in which a device may restart.
    """

    maker: str
    model: str
    hardware: str | None
    version: str
    url: str
    sha256: str
    size: int
    signature: str
    window: tuple[int, int] | None = None


class Firmware(Struct, frozen=True, kw_only=True):
    """An announcement with how many nodes were told, have said ok, and have failed."""

    id: int
    maker: str
    model: str
    hardware: str | None
    version: str
    url: str
    sha256: str
    size: int
    signature: str
    window_from: int | None
    window_to: int | None
    announced_at: datetime
    announced_by: str
    withdrawn_at: datetime | None
    told: int
    ok: int
    failed: int


class Notice(Struct, frozen=True, kw_only=True):
    """A notice as it goes to one node."""

    node_id: str
    firmware_id: int
    version: str
    url: str
    sha256: str
    size: int
    signature: str
    window_from: int | None
    window_to: int | None


class Over(Struct, frozen=True, kw_only=True):
    """A notice that holds no more; `replaced`: another one stands in its place."""

    node_id: str
    firmware_id: int
    replaced: bool


class Progress(Struct, frozen=True, kw_only=True):
    """What a node made of a notice; `state` is its last word, `cleared_at` when it was over."""

    node_id: str
    firmware_id: int
    version: str
    published_at: datetime | None
    state: str | None
    progress: int | None
    detail: str | None
    answered_at: datetime | None
    cleared_at: datetime | None


async def announce(conn: Connection, new: NewFirmware, *, by: str, now: datetime) -> int | None:
    """Announce a firmware; its id, or None when this version stands announced already.

    Raises RefusedByRuleError.
    """
    start, end = new.window or (None, None)
    values = {
        "maker": new.maker,
        "model": new.model,
        "hardware": new.hardware,
        "version": new.version,
        "url": new.url,
        "sha256": new.sha256,
        "size": new.size,
        "signature": new.signature,
        "window_from": start,
        "window_to": end,
        "by": by,
        "now": now,
    }
    with in_words():
        row = await (await conn.execute(_SQL["announce"], values)).fetchone()
    if row is None:
        return None
    await conn.execute(_SQL["forget_notices"], {"firmware_id": row[0]})
    return int(row[0])


async def every(conn: Connection) -> list[Firmware]:
    """All announcements, the newest first; withdrawn ones too."""
    async with conn.cursor(row_factory=class_row(Firmware)) as cursor:
        await cursor.execute(_SQL["every"])
        return await cursor.fetchall()


async def withdraw(conn: Connection, firmware_id: int, *, now: datetime) -> bool:
    """Take an announcement back; whether it stood. What was announced before it holds again."""
    cursor = await conn.execute(_SQL["withdraw"], {"firmware_id": firmware_id, "now": now})
    return cursor.rowcount == 1


async def notices_of_node(conn: Connection, node_id: str) -> list[Progress]:
    """What a node was told to fetch, the latest announcement first."""
    return await _progress(conn, "notices_of_node", {"node_id": node_id})


async def notices_of_firmware(conn: Connection, firmware_id: int) -> list[Progress]:
    """How far each node has come with a firmware."""
    return await _progress(conn, "notices_of_firmware", {"firmware_id": firmware_id})


async def waiting(
    conn: Connection, *, now: datetime, resting: Sequence[str] = (), limit: int = 100
) -> list[Notice]:
    """Notices to publish: new ones, and those the broker would soon forget."""
    renew_before = now - KEPT_AT_BROKER / 2
    values = {"renew_before": renew_before, "resting": list(resting), "limit": limit}
    return await _notices(conn, "waiting", values)


async def current(conn: Connection, *, after: str = "", limit: int = 100) -> list[Notice]:
    """What should be retained at the broker, by node id, a page at a time."""
    return await _notices(conn, "current", {"after": after, "limit": limit})


async def told(conn: Connection, notice: Notice, *, now: datetime) -> None:
    """The broker has taken the notice."""
    values = {"node_id": notice.node_id, "firmware_id": notice.firmware_id, "now": now}
    await conn.execute(_SQL["told"], values)


async def over(conn: Connection, *, resting: Sequence[str] = (), limit: int = 100) -> list[Over]:
    """Notices that stand at the broker and hold no more."""
    async with conn.cursor(row_factory=class_row(Over)) as cursor:
        await cursor.execute(_SQL["over"], {"resting": list(resting), "limit": limit})
        return await cursor.fetchall()


async def cleared(conn: Connection, notice: Over, *, now: datetime) -> None:
    """The broker holds the notice no more."""
    values = {"node_id": notice.node_id, "firmware_id": notice.firmware_id, "now": now}
    await conn.execute(_SQL["cleared"], values)


async def progressed(
    conn: Connection,
    *,
    node_id: str,
    version: str,
    state: str,
    progress: int | None,
    detail: str | None,
    at: datetime,
) -> bool:
    """Note what a device made of a version; whether it was ever told of it."""
    values = {
        "node_id": node_id,
        "version": version,
        "state": state,
        "progress": progress,
        "detail": None if detail is None else detail[:_LONGEST_DETAIL],
        "at": at,
    }
    return (await conn.execute(_SQL["progressed"], values)).rowcount > 0


async def _progress(conn: Connection, query: str, values: dict[str, Any]) -> list[Progress]:
    async with conn.cursor(row_factory=class_row(Progress)) as cursor:
        await cursor.execute(_SQL[query], values)
        return await cursor.fetchall()


async def _notices(conn: Connection, query: str, values: dict[str, Any]) -> list[Notice]:
    async with conn.cursor(row_factory=class_row(Notice)) as cursor:
        await cursor.execute(_SQL[query], values)
        return await cursor.fetchall()
