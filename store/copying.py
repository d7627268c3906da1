"""Rows of binary COPY, made as bytes: the cheapest way into a table, for rows of a known shape.

Straight into the table: an identity that is taken fails the whole statement (TakenError). Whoever
copies this way has another way for what is there already.
"""

import struct
from typing import Final

import msgspec
import psycopg

from store.feed_columns import Said
from store.pool import Connection

_BEGIN: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_END: Final = b"\xff\xff"
_LENGTH: Final = struct.Struct(">i")
_COUNT: Final = struct.Struct(">h")
_JSONB_VERSION: Final = b"\x01"
# What PostgreSQL counts its microseconds from: 2000, not 1970.
EPOCH_MS: Final = 946_684_800_000
NULL: Final = _LENGTH.pack(-1)


class TakenError(Exception):
    """An identity among these rows is taken: nothing of the transaction is stored."""


def start_of_row(columns: int) -> bytes:
    """What a row begins with."""
    return _COUNT.pack(columns)


def text(value: str | None) -> bytes:
    """A text, or a value of an enumeration."""
    if value is None:
        return NULL
    content = value.encode()
    return _LENGTH.pack(len(content)) + content


def jsonb(encoded: bytes | None) -> bytes:
    """JSON as bytes."""
    if encoded is None:
        return NULL
    return _LENGTH.pack(len(encoded) + 1) + _JSONB_VERSION + encoded


def int8(value: int | None) -> bytes:
    """A bigint."""
    return NULL if value is None else struct.pack(">iq", 8, value)


def int4(value: int) -> bytes:
    """An integer."""
    return struct.pack(">ii", 4, value)


async def copy(conn: Connection, statement: bytes, rows: list[bytes]) -> None:
    """Copy rows into a table, sorted, so that two writers cannot deadlock. Part of a transaction.
    Raises TakenError."""
    if not rows:
        return
    try:
        async with conn.cursor() as cursor, cursor.copy(statement) as copying:
            await copying.write(b"".join((_BEGIN, *sorted(rows), _END)))
    except psycopg.errors.UniqueViolation as error:
        raise TakenError from error


def whose(said: Said, context: dict[str, object] | None) -> bytes:
    """The columns a reading and a block share: patient, flags, clock, who, context, node."""
    return b"".join(
        (
            int8(said.patient_id),
            int4(said.flags),
            text(said.clock),
            text(said.who),
            jsonb(msgspec.json.encode(context) if context else None),
            text(said.node_id),
        )
    )
