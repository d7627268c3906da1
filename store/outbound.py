"""What else goes down to a device: the progress of an event, an ad-hoc reminder."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from psycopg.rows import class_row

from contract.codec import encode
from contract.messages import Feedback, Reminder
from store.named import queries
from store.pool import Connection

_SQL = queries("outbound")

# Half of the largest packet: nothing here may ever make the broker cut downlink's connection.
_LARGEST: Final = 65_536
_KEPT = timedelta(days=7)


class Waiting(Struct, frozen=True, kw_only=True):
    """A message that has not reached the broker yet; `kind` is its topic."""

    id: int
    node_id: str
    kind: str
    payload: bytes
    expires_at: datetime


async def put_feedback(
    conn: Connection, *, node_id: str, feedback: Feedback, now: datetime, expires_at: datetime
) -> None:
    """Tell a node how far its event has come; dropped when it cannot be told by `expires_at`."""
    await _put(conn, node_id, "fb", encode(feedback), now, expires_at)


async def put_reminder(
    conn: Connection, *, node_id: str, reminder: Reminder, now: datetime, expires_at: datetime
) -> None:
    """Show or say something once, outside the plan."""
    await _put(conn, node_id, "reminder", encode(reminder), now, expires_at)


async def waiting(
    conn: Connection, *, now: datetime, resting: Sequence[str] = (), limit: int = 100
) -> list[Waiting]:
    """Messages to publish, in order. Not those of resting nodes."""
    async with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        await cursor.execute(
            _SQL["waiting"], {"now": now, "resting": list(resting), "limit": limit}
        )
        return await cursor.fetchall()


async def sent(conn: Connection, outbound_id: int, *, now: datetime) -> None:
    """The broker has taken the message."""
    await conn.execute(_SQL["sent"], {"outbound_id": outbound_id, "now": now})


async def clear(conn: Connection, *, now: datetime) -> int:
    """Drop what is old; returns how many messages came too late to be told at all."""
    cursor = await conn.execute(_SQL["clear"], {"now": now, "told_before": now - _KEPT})
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def _put(
    conn: Connection, node_id: str, kind: str, payload: bytes, now: datetime, expires_at: datetime
) -> None:
    if len(payload) > _LARGEST:
        raise ValueError(f"a message for a device has at most {_LARGEST} bytes")
    await conn.execute(
        _SQL["put"],
        {
            "node_id": node_id,
            "kind": kind,
            "payload": payload,
            "now": now,
            "expires_at": expires_at,
        },
    )
