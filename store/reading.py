"""Readings: written in batches, idempotent by identity: device, kind, measured time, ordinal.

The same identity with the same value is a duplicate. With another value it is a conflict, kept
beside the first, or, when it says it is a correction, takes its place: the one sent last wins.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Struct

from store.named import queries
from store.pool import Connection

_SQL = queries("reading")

Values = tuple[float | None, float | None, float | None, float | None]

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


class Change(NamedTuple):
    """What row number `n` of a batch did, and whose reading it is now.

    `conflicting` rows were stored beside the reading that holds their identity. `withdrawn`
    names the patient who lost the reading, with the values it had.
    """

    n: int
    what: Literal["inserted", "conflicting", "corrected", "withdrawn"]
    patient_id: int | None
    values: Values
    flags: int


class Stored(NamedTuple):
    """What the database holds under an identity."""

    values: Values
    flags: int
    who: str | None
    fix: bool
    sent_at: datetime | None
    received_at: datetime
    seq: int
    patient_id: int | None
    node_id: str
    boot: int


Settlement = Literal["same", "conflict", "correct", "superseded"]


def settle(stored: Stored, row: ReadingRow) -> Settlement:
    """What becomes of a row whose identity is taken.

    `superseded`: it was replaced before it came; it goes to the history. The outcome does not
    depend on the order in which a reading and its corrections arrive.
    """
    same = (stored.values, stored.flags) == (row.values, row.flags)
    later = _sent(row.sent_at, row.received_at, row.seq) > _sent(
        stored.sent_at, stored.received_at, stored.seq
    )
    if row.fix:
        if not stored.fix or later:
            return "correct"
        return "same" if same else "superseded"
    if same:
        return "same"
    return "superseded" if stored.fix and not later else "conflict"


def _sent(sent_at: datetime | None, received_at: datetime, seq: int) -> tuple[datetime, int]:
    return (sent_at or received_at, seq)


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
    return changes + await _settle_differing(conn, rows, written)


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


async def _settle_differing(
    conn: Connection, rows: Sequence[ReadingRow], written: set[int]
) -> list[Change]:
    """Whoever found the identity taken by something else: conflict, correction or history."""
    conflicts: list[int] = []
    corrected: dict[tuple[object, ...], tuple[int, Stored]] = {}  # the last one, what was stored
    history: list[tuple[int, str]] = []
    now: dict[tuple[object, ...], Stored] = {}
    for n, *columns in await (await conn.execute(_SQL["differing"])).fetchall():
        if n in written:
            continue
        row = rows[n]
        identity = (row.device_id, row.kind, row.measured_at, row.ordinal)
        stored = now.get(identity) or Stored(tuple(columns[:4]), *columns[4:])
        verdict = settle(stored, row)
        if verdict == "conflict":
            conflicts.append(n)
        elif verdict == "superseded":
            history.append((n, _before(_as_stored(row))))
        elif verdict == "correct":
            history.append((n, _before(stored)))
            corrected[identity] = (n, corrected.get(identity, (n, stored))[1])
            now[identity] = _as_stored(row)
    return [
        *await _keep_conflicts(conn, rows, conflicts),
        *await _correct(conn, rows, dict(corrected.values()), history),
    ]


def _as_stored(row: ReadingRow) -> Stored:
    said = (row.values, row.flags, row.who, row.fix, row.sent_at, row.received_at, row.seq)
    return Stored(*said, row.patient_id, row.node_id, row.boot)


def _before(stored: Stored) -> str:
    return msgspec.json.encode(stored._asdict()).decode()


async def _keep_conflicts(
    conn: Connection, rows: Sequence[ReadingRow], conflicts: list[int]
) -> list[Change]:
    if not conflicts:
        return []
    cursor = await conn.execute(_SQL["conflict"], {"n": conflicts})
    kept = sorted(int(n) for (n,) in await cursor.fetchall())
    return [_inserted(n, rows[n])._replace(what="conflicting") for n in kept]


async def _correct(
    conn: Connection,
    rows: Sequence[ReadingRow],
    corrected: dict[int, Stored],
    history: list[tuple[int, str]],
) -> list[Change]:
    if history:
        values = {"n": [n for n, _ in history], "before": [before for _, before in history]}
        await conn.execute(_SQL["history"], values)
    if not corrected:
        return []
    cursor = await conn.execute(_SQL["correct"], {"n": list(corrected)})
    changes = []
    for n, patient_id in sorted(await cursor.fetchall()):
        row, old = rows[n], corrected[n]
        if patient_id != old.patient_id:
            changes.append(Change(n, "withdrawn", old.patient_id, old.values, old.flags))
        changes.append(Change(n, "corrected", patient_id, row.values, row.flags))
    return changes
