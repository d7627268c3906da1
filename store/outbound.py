"""What else goes down to a device: the progress of an event, an ad-hoc reminder."""

from datetime import datetime

import msgspec

from contract.messages import Feedback, Reminder
from store.named import queries
from store.pool import Connection

_SQL = queries("outbound")


async def put_feedback(
    conn: Connection, *, node_id: str, feedback: Feedback, now: datetime, expires_at: datetime
) -> None:
    """Tell a node how far its event has come; dropped when it cannot be told by `expires_at`."""
    await _put(conn, node_id, "fb", feedback, now, expires_at)


async def put_reminder(
    conn: Connection, *, node_id: str, reminder: Reminder, now: datetime, expires_at: datetime
) -> None:
    """Show or say something once, outside the plan."""
    await _put(conn, node_id, "reminder", reminder, now, expires_at)


async def _put(
    conn: Connection,
    node_id: str,
    kind: str,
    message: Feedback | Reminder,
    now: datetime,
    expires_at: datetime,
) -> None:
    await conn.execute(
        _SQL["put"],
        {
            "node_id": node_id,
            "kind": kind,
            "payload": msgspec.json.encode(message),
            "now": now,
            "expires_at": expires_at,
        },
    )
