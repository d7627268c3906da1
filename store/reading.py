"""Readings: written in batches, idempotent by identity: device, kind, measured time, ordinal.

The same identity with the same value is a duplicate. What becomes of another value is settled in
`store.contested`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from store.contested import settle_contested
from store.named import queries
from store.pool import Connection
from store.settlement import Change, Values

__all__ = ["Change", "ReadingRow", "Values", "write"]

_SQL = queries("reading")

_TYPES: Final = (
    *("int4", "int8", "text", "timestamptz", "int8", "int8"),
    *("float8", "float8", "float8", "float8", "int4", "text", "timestamptz", "text", "text"),
    *("text", "text", "bool", "text", "int8", "int8", "timestamptz", "timestamptz"),
    "timestamptz",
)


class ReadingRow(Struct, frozen=True, kw_only=True, gc=False):
    """One reading on its way in. `values` are v0..v3 in canonical units (contract/vitals.yaml).

    `replayed_at`: its message was refused before, and taken again then.
    """

    device_id: int
    kind: str
    measured_at: datetime
    ordinal: int
    patient_id: int | None
    values: Values
    flags: int
    clock: str
    claimed_at: datetime | None
    who: str | None
    session_id: str | None
    context: dict[str, Any] | None
    original: dict[str, Any] | None
    fix: bool
    node_id: str
    boot: int
    seq: int
    sent_at: datetime | None
    received_at: datetime
    replayed_at: datetime | None = None


async def write(conn: Connection, rows: Sequence[ReadingRow]) -> list[Change]:
    """Write a batch and say what changed; duplicates change nothing. Part of a transaction.

    The months of the rows must be there (store.partition).
    """
    if not rows:
        return []
    await _copy(conn, rows)
    cursor = await conn.execute(_SQL["insert"])
    if cursor.rowcount == len(rows):
        return [_inserted(n, row) for n, row in enumerate(rows)]
    new = set(await cursor.fetchall())
    changes = []
    for n, row in enumerate(rows):
        identity = (row.device_id, row.kind, row.measured_at, row.ordinal)
        if identity in new:
            new.discard(identity)
            changes.append(_inserted(n, row))
    written = {change.n for change in changes}
    return changes + await settle_contested(conn, rows, written)


async def _copy(conn: Connection, rows: Sequence[ReadingRow]) -> None:
    await conn.execute(_SQL["incoming"])
    async with conn.cursor() as cursor, cursor.copy(_SQL["copy"]) as copy:
        copy.set_types(_TYPES)
        for n, row in enumerate(rows):
            await copy.write_row(_as_copied(n, row))


def _as_copied(n: int, r: ReadingRow) -> tuple[object, ...]:
    identity = (n, r.device_id, r.kind, r.measured_at, r.ordinal, r.patient_id)
    said = (r.flags, r.clock, r.claimed_at, r.who, r.session_id, _json(r.context))
    sent = (_json(r.original), r.fix, r.node_id, r.boot, r.seq, r.sent_at, r.received_at)
    return (*identity, *r.values, *said, *sent, r.replayed_at)


def _json(value: dict[str, Any] | None) -> str | None:
    return msgspec.json.encode(value).decode() if value else None


def _inserted(n: int, row: ReadingRow) -> Change:
    return Change(n, "inserted", row.patient_id, row.values, row.flags)
