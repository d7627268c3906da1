"""The feed: every committed change exactly once, in commit order (architecture.md, D5).

A writer calls `append` as the last statement of its transaction. A consumer, in one transaction,
takes its `position`, reads the batches after it, does its own work and `move`s. Every item is
idempotent by its identity, so a consumer may also be rebuilt from the beginning.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec import Struct

from contract.instants import EPOCH
from store.feed_columns import BlockColumns, ReadingColumns
from store.named import queries
from store.pool import Connection

_SQL = queries("feed")


class ReadingItem(Struct, frozen=True, tag_field="item", tag="reading", kw_only=True):
    """One reading as stored. `values` follow the parts of its kind in vitals.yaml."""

    change: str  # inserted | corrected | reassigned | withdrawn
    device_id: int
    node_id: str
    kind: str
    measured_at: datetime
    ordinal: int
    patient_id: int | None
    values: tuple[float | None, ...]
    flags: int
    clock: str
    received_at: datetime
    who: str | None = None
    session_id: str | None = None
    session_done: bool = False
    # Stored beside the reading that holds this identity: judge it, do not take it for that one.
    conflicting: bool = False


class BlockItem(Struct, frozen=True, tag_field="item", tag="block", kw_only=True):
    """A stored block of dense samples, without the samples."""

    change: str = "inserted"  # inserted | reassigned | withdrawn
    device_id: int
    node_id: str
    kind: str
    part: int
    start_at: datetime
    step_ms: int
    samples: int
    patient_id: int | None
    received_at: datetime


class EventItem(Struct, frozen=True, tag_field="item", tag="event", kw_only=True):
    """A stored event; `row_id` is `event.id`."""

    row_id: int
    node_id: str
    event_id: str
    type: str
    patient_id: int | None
    occurred_at: datetime
    received_at: datetime
    ref: str | None
    body: dict[str, Any]


class AnswerItem(Struct, frozen=True, tag_field="item", tag="answer", kw_only=True):
    """One acknowledgement of a dose, a reminder or a plan (`id` starts with `plan:`)."""

    node_id: str
    id: str
    state: str
    at: datetime
    by: str | None
    why: str | None
    received_at: datetime


class ResultItem(Struct, frozen=True, tag_field="item", tag="result", kw_only=True):
    """An answer to a command."""

    node_id: str
    command_id: str
    state: str
    out: dict[str, Any]
    session_id: str | None
    received_at: datetime
    message: str | None = None


class StateItem(Struct, frozen=True, tag_field="item", tag="state", kw_only=True):
    """A node's state as taken over (an older `con` is not), with the plan revision it holds."""

    node_id: str
    state: str
    con: int
    plan_revision: int | None
    received_at: datetime


class BirthItem(Struct, frozen=True, tag_field="item", tag="birth", kw_only=True):
    """A node described itself."""

    node_id: str
    received_at: datetime


class DoseItem(Struct, frozen=True, tag_field="item", tag="dose", kw_only=True):
    """A dose changed its state (written by downlink)."""

    dose_id: str
    patient_id: int
    node_id: str
    state: str
    due_at: datetime
    at: datetime


FeedItem = (
    ReadingItem | BlockItem | EventItem | AnswerItem | ResultItem | StateItem | BirthItem | DoseItem
)

Columns = ReadingColumns | BlockColumns

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[FeedItem | Columns])
_MILLISECOND: Final = timedelta(milliseconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)
_VALUES: Final = 4


class Batch(Struct, frozen=True):
    """One committed batch: its place in the feed and its items."""

    id: int
    committed_at: datetime
    items: list[FeedItem]


async def append(
    conn: Connection, kind: str, items: Sequence[FeedItem], columns: Sequence[Columns] = ()
) -> int | None:
    """Append one batch; the LAST statement before commit. Nothing to say appends nothing. What
    comes in columns is read as an item each."""
    number = len(items) + sum(len(one.which) for one in columns)
    if not number:
        return None
    payload = _ENCODER.encode([*items, *(one for one in columns if one.which)])
    cursor = await conn.execute(_SQL["append"], {"kind": kind, "payload": payload, "items": number})
    row = await cursor.fetchone()
    return int(row[0]) if row else None


async def position(conn: Connection, consumer: str) -> int:
    """Where the consumer stands; holds the row until the transaction ends."""
    await conn.execute(_SQL["start"], {"consumer": consumer})
    cursor = await conn.execute(_SQL["position"], {"consumer": consumer})
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def read_after(
    conn: Connection, after: int, *, limit: int = 200, items: int = 10_000
) -> list[Batch]:
    """The next batches after a position, in commit order; none when there is nothing after it.

    At most `limit`, and none after the one that brings their items to `items`: a batch of a busy
    hub holds thousands, and a consumer that was away must not take in all of them at once.
    """
    values = {"position": after, "limit": limit, "items": items}
    cursor = await conn.execute(_SQL["read_after"], values)
    return [
        Batch(int(id_), at, list(_unfolded(_DECODER.decode(bytes(payload)))))
        for id_, payload, at in await cursor.fetchall()
    ]


def _unfolded(items: Sequence[FeedItem | Columns]) -> Iterator[FeedItem]:
    for item in items:
        if isinstance(item, ReadingColumns):
            yield from _readings(item)
        elif isinstance(item, BlockColumns):
            yield from _blocks(item)
        else:
            yield item


def _readings(columns: ReadingColumns) -> Iterator[ReadingItem]:
    own = (columns.at, columns.ordinal, columns.values, columns.received)
    for which, at, ordinal, values, received in zip(columns.which, *own, strict=True):
        said = columns.of[which]
        yield ReadingItem(
            change="inserted",
            device_id=said.device_id,
            node_id=said.node_id,
            kind=said.kind,
            measured_at=EPOCH + at * _MILLISECOND,
            ordinal=ordinal,
            patient_id=said.patient_id,
            values=(*values, *[None] * (_VALUES - len(values))),
            flags=said.flags,
            clock=said.clock,
            received_at=EPOCH + received * _MICROSECOND,
            who=said.who,
        )


def _blocks(columns: BlockColumns) -> Iterator[BlockItem]:
    own = (columns.at, columns.part, columns.step, columns.samples, columns.received)
    for which, at, part, step, samples, received in zip(columns.which, *own, strict=True):
        said = columns.of[which]
        yield BlockItem(
            device_id=said.device_id,
            node_id=said.node_id,
            kind=said.kind,
            part=part,
            start_at=EPOCH + at * _MILLISECOND,
            step_ms=step,
            samples=samples,
            patient_id=said.patient_id,
            received_at=EPOCH + received * _MICROSECOND,
        )


async def move(conn: Connection, consumer: str, to: int) -> None:
    """Move the consumer on, in the transaction of its own effects."""
    await conn.execute(_SQL["move"], {"consumer": consumer, "position": to})


async def prune(conn: Connection, *, now: datetime, limit: int) -> int:
    """Drop some of what is older than a week, by `now` and by the database's own clock, and passed
    by everybody; how many batches. Fewer than `limit`: that was all."""
    return (await conn.execute(_SQL["prune"], {"now": now, "limit": limit})).rowcount
