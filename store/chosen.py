"""One of several values of a reading chosen by a person, and everything a reading ever was.

A choice is a correction of the instant at which it was made, and later than everything it was made
on, whatever the devices' clocks say: what was sent before changes nothing any more, a later
correction of the device still does. What was not chosen goes to the history (store.settlement).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from psycopg.rows import class_row, dict_row

from store import series
from store.deed import Ref
from store.feed import ReadingItem
from store.named import queries
from store.pool import Connection
from store.settlement import Said, settle

_SQL = queries("chosen")


class Other(Struct, frozen=True, kw_only=True):
    """A value that claims the place of a reading."""

    id: int
    values: tuple[float | None, ...]
    flags: int
    received_at: datetime


class Step(Struct, frozen=True, kw_only=True):
    """One line of the history: what the reading was until then. `actor` is 'staff:<id>' or the
    node that corrected it, `by` the person's name."""

    at: datetime
    reason: str
    actor: str
    by: str | None
    before: dict[str, Any]
    reassignment_id: int | None
    to_patient_id: int | None
    to_aside: str | None
    note: str | None


class NotAsSeenError(Exception):
    """The reading is not this patient's, or none of what was seen stands any more."""


async def others(conn: Connection, ref: Ref) -> list[Other]:
    """What claims the place of a reading. The caller has checked the scope."""
    return [
        Other(
            id=row["id"],
            values=_values(row),
            flags=row["flags"],
            received_at=row["received_at"],
        )
        for row in await _rows(conn, "beside", ref._asdict())
    ]


async def history(conn: Connection, ref: Ref) -> list[Step]:
    """Everything a reading was, oldest first. The caller has checked the scope."""
    async with conn.cursor(row_factory=class_row(Step)) as cursor:
        return await (await cursor.execute(_SQL["history"], ref._asdict())).fetchall()


async def choose(
    conn: Connection, ref: Ref, *, patient_id: int, other: int | None, actor: str, at: datetime
) -> ReadingItem:
    """Let the value beside it with this id hold (None: the stored one) and no other.

    Returns what the feed is to hear, last in the transaction. Raises NotAsSeenError.
    """
    place = {**ref._asdict(), "patient_id": patient_id}
    # A device that speaks of it at this moment goes first, or waits.
    await series.lift(conn, "reading", [series.Place(*ref, patient_id)])
    stored = await _rows(conn, "stored", place)
    beside = await _rows(conn, "beside", place)
    holds = [row for row in beside if row["id"] == other] if other is not None else stored
    if not stored or not beside or not holds:
        raise NotAsSeenError
    values, was = _values(holds[0]), stored[0]
    said = {f"v{n}": value for n, value in enumerate(values)} | {"flags": holds[0]["flags"]}
    everything = [was, *_plainly(was), *beside]
    sent_at = max(at, _latest(everything) + timedelta(microseconds=1))
    choice = was | said | {"fix": True, "sent_at": sent_at}
    past = await _rows(conn, "before", place)
    settled = settle([*map(_said, everything), _said(choice)], [*map(_said, past)])
    seen = {f"was_{name}": was[name] for name in ("v0", "v1", "v2", "v3", "flags")}
    now = {"sent_at": sent_at, "said_at": settled.said_at}
    changed = await conn.execute(_SQL["choose"], place | said | seen | now)
    if changed.rowcount != 1:
        raise NotAsSeenError
    before = [_before(everything[n]) for n in settled.past]
    await conn.execute(_SQL["past"], place | {"before": before, "actor": actor, "at": at})
    ids = [row["id"] for row in beside]
    await conn.execute(_SQL["stand_no_longer"], {"ids": ids})
    return _item(ref, was, values, holds[0]["flags"])


async def _rows(conn: Connection, name: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    async with conn.cursor(row_factory=dict_row) as cursor:
        return await (await cursor.execute(_SQL[name], values)).fetchall()


def _values(row: dict[str, Any]) -> tuple[float | None, ...]:
    return (row["v0"], row["v1"], row["v2"], row["v3"])


def _plainly(row: dict[str, Any]) -> list[dict[str, Any]]:
    """What holds as a correction, if it was also said without being one."""
    return [row | {"fix": False, "sent_at": row["said_at"]}] if row["said_at"] else []


def _said(row: dict[str, Any]) -> Said:
    sent_at = row["sent_at"] or row["received_at"]
    who, fix = row["who"], row["fix"]
    v0, v1, v2, v3 = _values(row)
    return Said((v0, v1, v2, v3), row["flags"], who, fix, sent_at, row["seq"])


def _latest(rows: Sequence[dict[str, Any]]) -> datetime:
    return max(_said(row).sent_at for row in rows)


def _before(row: dict[str, Any]) -> str:
    """As the histories of corrections tell it."""
    names: Sequence[str] = ("flags", "who", "fix", "sent_at", "received_at", "seq", "patient_id")
    said = {name: row[name] for name in (*names, "node_id", "boot")}
    return msgspec.json.encode({"values": _values(row), **said}).decode()


def _item(
    ref: Ref, was: dict[str, Any], values: tuple[float | None, ...], flags: int
) -> ReadingItem:
    names = ("node_id", "patient_id", "clock", "received_at", "who", "session_id", "session_done")
    kept = {name: was[name] for name in names}
    return ReadingItem(change="corrected", **ref._asdict(), values=values, flags=flags, **kept)
