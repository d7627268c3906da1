"""Commands for devices: asked for by a row, published by downlink, answered over the feed."""

from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from store.named import queries
from store.pool import Connection

_SQL = queries("command")


async def request(
    conn: Connection,
    *,
    command_id: str,
    node_id: str,
    op: str,
    args: dict[str, Any],
    episode_id: int | None,
    created_by: str,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Ask a node for `op` until `expires_at`. Idempotent by `command_id`.

    `created_by` is 'engine' or 'staff:<id>'. The command goes out when downlink next looks.
    """
    await conn.execute(
        _SQL["request"],
        {
            "command_id": command_id,
            "node_id": node_id,
            "op": op,
            "args": Jsonb(args),
            "episode_id": episode_id,
            "created_by": created_by,
            "now": now,
            "expires_at": expires_at,
        },
    )
