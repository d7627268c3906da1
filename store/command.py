"""Commands for devices: asked for by a row, published by downlink, answered over the feed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from contract.operations import OPERATIONS
from store.named import queries
from store.pool import Connection

_SQL = queries("command")

# Everything a device may be told to do. Each asks, says or reports; none starts anything on a
# person's body: no inflate, no unlock, no dispense (safety rule 7).
OPS: Final = frozenset(OPERATIONS)

# Half of the largest packet: no command may ever make the broker cut downlink's connection.
_LARGEST: Final = 65_536


class UnknownOpError(ValueError):
    """Not one of OPS: nothing like it may go down to a device."""


class Waiting(Struct, frozen=True, kw_only=True):
    """A command that has not reached the broker yet."""

    id: str
    node_id: str
    op: str
    args: dict[str, Any]
    expires_at: datetime


class Standing(Struct, frozen=True, kw_only=True):
    """A command's state, and when its device last answered; held for the transaction."""

    state: str
    answered_at: datetime | None


class Command(Struct, frozen=True, kw_only=True):
    """A command with everything that became of it so far."""

    id: str
    node_id: str
    op: str
    args: dict[str, Any]
    episode_id: int | None
    created_by: str
    created_at: datetime
    expires_at: datetime
    published_at: datetime | None
    state: str
    out: dict[str, Any] | None
    message: str | None
    session_id: str | None
    answered_at: datetime | None


class Expired(Struct, frozen=True, kw_only=True):
    """A command nobody answered in time."""

    id: str
    node_id: str
    session_id: str | None


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
    Raises UnknownOpError.
    """
    if op not in OPS:
        raise UnknownOpError(f"{op} is no command of HH/1")
    if len(msgspec.json.encode(args)) > _LARGEST:
        raise ValueError(f"the arguments of a command have at most {_LARGEST} bytes")
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


async def find(conn: Connection, command_id: str, node_id: str) -> Command | None:
    """One command of a node; None if it never had it."""
    values = {"command_id": command_id, "node_id": node_id}
    async with conn.cursor(row_factory=class_row(Command)) as cursor:
        await cursor.execute(_SQL["find"], values)
        return await cursor.fetchone()


async def of_node(conn: Connection, node_id: str, *, limit: int = 50) -> list[Command]:
    """The latest commands of a node, newest first."""
    async with conn.cursor(row_factory=class_row(Command)) as cursor:
        await cursor.execute(_SQL["of_node"], {"node_id": node_id, "limit": limit})
        return await cursor.fetchall()


async def waiting(
    conn: Connection, *, now: datetime, resting: Sequence[str] = (), limit: int = 100
) -> list[Waiting]:
    """Commands to publish, the oldest first. Not those of resting nodes."""
    async with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        await cursor.execute(
            _SQL["waiting"], {"now": now, "resting": list(resting), "limit": limit}
        )
        return await cursor.fetchall()


async def sent(conn: Connection, command_id: str, *, now: datetime) -> None:
    """The broker has taken the command."""
    await conn.execute(_SQL["sent"], {"command_id": command_id, "now": now})


async def lock_command(conn: Connection, command_id: str, node_id: str) -> Standing | None:
    """A command of this node, held until the transaction ends; None if it never had it."""
    async with conn.cursor(row_factory=class_row(Standing)) as cursor:
        await cursor.execute(_SQL["lock"], {"command_id": command_id, "node_id": node_id})
        return await cursor.fetchone()


async def answered(
    conn: Connection,
    command_id: str,
    *,
    state: str,
    out: dict[str, Any],
    message: str | None = None,
    session_id: str | None,
    at: datetime,
) -> None:
    """Write what the device said."""
    await conn.execute(
        _SQL["answered"],
        {
            "command_id": command_id,
            "state": state,
            "out": Jsonb(out),
            "message": message,
            "session_id": session_id,
            "at": at,
        },
    )


async def expire(
    conn: Connection, *, now: datetime, sent_before: datetime, accepted_before: datetime
) -> list[Expired]:
    """Give up what was not answered in time: queued, sent and accepted each with its own."""
    async with conn.cursor(row_factory=class_row(Expired)) as cursor:
        await cursor.execute(
            _SQL["expire"],
            {"now": now, "sent_before": sent_before, "accepted_before": accepted_before},
        )
        return await cursor.fetchall()
