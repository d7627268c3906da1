"""Rejects: what was refused, why, and the bytes as they came, so that nothing vanishes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from store.named import queries
from store.pool import Connection

_SQL = queries("reject")

KEPT_DAYS: Final = 90

_TYPES: Final = (
    *("timestamptz", "text", "text", "int8", "int8", "text", "text", "text", "text"),
    *("bytea", "int4", "int4", "text", "text", "text"),
)


class RejectRow(Struct, frozen=True, kw_only=True):
    """One defect of one message, and the product that sent it, as it was then.

    A message with several defects has several rows; only the first carries its payload.
    """

    received_at: datetime
    node_id: str | None
    topic: str
    boot: int | None
    seq: int | None
    code: str
    path: str | None
    got: str | None
    reason: str
    payload: bytes
    kept: int = 0
    dropped: int = 0
    maker: str | None = None
    model: str | None = None
    firmware: str | None = None


async def keep(conn: Connection, rows: Sequence[RejectRow]) -> None:
    """Keep the defects. Part of a transaction."""
    if not rows:
        return
    async with conn.cursor() as cursor, cursor.copy(_SQL["copy"]) as copy:
        copy.set_types(_TYPES)
        for row in rows:
            await copy.write_row(_as_copied(row))


def _as_copied(r: RejectRow) -> tuple[object, ...]:
    of = (r.received_at, r.node_id, clean(r.topic), r.boot, r.seq)
    why = (r.code, clean(r.path), clean(r.got), clean(r.reason))
    made = (clean(r.maker), clean(r.model), clean(r.firmware))
    return (*of, *why, r.payload, r.kept, r.dropped, *made)


def clean(text: str | None) -> str | None:
    """What PostgreSQL takes as text: no NUL, no half of a surrogate pair."""
    if text is None:
        return None
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


async def prune(conn: Connection, *, before: datetime) -> int:
    """Forget what was refused before then; how many rows."""
    return (await conn.execute(_SQL["prune"], {"before": before})).rowcount
