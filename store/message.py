"""Message identities: what was durably taken, or durably refused, from a node, once.

The identity is (node, boot, seq). A digest of the content tells a resend, which changes nothing,
from a node that lost its count and says something else under the same numbers. That must not be
dropped, and the old count must not be receipted as if it were the new one: it is forgotten
(`start_again`), all of it. Whatever of the new count goes with it comes again, and is no news.
"""

import struct
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Final, NamedTuple

from store import copying
from store.named import queries
from store.pool import Connection

_SQL = queries("message")

KEPT_DAYS: Final = 60
MOST_RANGES: Final = 500


class Key(NamedTuple):
    """Who said it, in which boot, under which number."""

    node_id: str
    boot: int
    seq: int


class Boot(NamedTuple):
    """One boot of one node: the scope of a count."""

    node_id: str
    boot: int


class Incoming(NamedTuple):
    """A counted message as it is to be remembered."""

    key: Key
    kind: str
    digest: int
    received_at: datetime


class Verdict(Enum):
    """NEW: never seen. RESENT: seen with this content. REUSED: its numbers carried another.
    RETRIED: seen, and nothing of it could be taken then."""

    NEW = "new"
    RESENT = "resent"
    REUSED = "reused"
    RETRIED = "retried"


# The digest of a message of which nothing was taken, but may be when it comes again.
NOTHING_TAKEN: Final = 0


async def take(conn: Connection, incoming: Sequence[Incoming]) -> list[Verdict]:
    """Remember the messages; one verdict each, in their order. Part of a transaction.

    What is REUSED is not remembered yet: `start_again` does so, once the batch is committed.
    """
    first: dict[Key, Incoming] = {}
    for message in incoming:
        first.setdefault(message.key, message)
    new = await _insert(conn, first.values()) if first else set()
    known = first.keys() - new
    before = await _digests(conn, known) if known else {}
    verdicts = []
    for message in incoming:
        if message.key in new:
            new.discard(message.key)  # the others of this batch come after it
            verdicts.append(Verdict.NEW)
            continue
        verdicts.append(_verdict(message, before.get(message.key, first[message.key].digest)))
    await _note_unusual(conn, incoming, verdicts)
    return verdicts


async def _note_unusual(
    conn: Connection, incoming: Sequence[Incoming], verdicts: Sequence[Verdict]
) -> None:
    taken_now = {
        message.key: message
        for message, verdict in zip(incoming, verdicts, strict=True)
        if verdict is Verdict.RETRIED and message.digest != NOTHING_TAKEN
    }
    if taken_now:
        await conn.execute(_SQL["taken_now"], _columns(list(taken_now.values())))


def _verdict(message: Incoming, before: int) -> Verdict:
    if before == message.digest:
        return Verdict.RESENT if before != NOTHING_TAKEN else Verdict.RETRIED
    return Verdict.RETRIED if before == NOTHING_TAKEN else Verdict.REUSED


async def start_again(
    conn: Connection, again: Sequence[Incoming], kept: Sequence[Key] = ()
) -> None:
    """Forget everything taken of the boots of these messages, except these and those `kept`.

    In a transaction of its own, so that what other writers have committed by then is forgotten too.
    No clock is asked: a number of the old count that stayed would be receipted as one of the new.
    """
    boots = sorted({(message.key.node_id, message.key.boot) for message in again})
    values: dict[str, list[Any]] = {
        "node_id": [b[0] for b in boots],
        "boot": [b[1] for b in boots],
        "kept_node": [key.node_id for key in kept],
        "kept_boot": [key.boot for key in kept],
        "kept_seq": [key.seq for key in kept],
    }
    async with conn.transaction():
        await conn.execute(_SQL["one_at_a_time"])
        await conn.execute(_SQL["forget_boots"], values)
        await _insert(conn, {message.key: message for message in again}.values())


async def _insert(conn: Connection, messages: Iterable[Incoming]) -> set[Key]:
    rows = list(messages)
    cursor = await conn.execute(_SQL["take"], _columns(rows))
    if cursor.rowcount == len(rows):
        return {row.key for row in rows}
    return {Key(*row) for row in await cursor.fetchall()}


def _columns(rows: Sequence[Incoming]) -> dict[str, list[Any]]:
    return {
        "node_id": [row.key.node_id for row in rows],
        "boot": [row.key.boot for row in rows],
        "seq": [row.key.seq for row in rows],
        "kind": [row.kind for row in rows],
        "digest": [row.digest for row in rows],
        "received_at": [row.received_at for row in rows],
    }


async def _digests(conn: Connection, keys: Iterable[Key]) -> dict[Key, int]:
    wanted = list(keys)
    cursor = await conn.execute(
        _SQL["digests"],
        {
            "node_id": [key.node_id for key in wanted],
            "boot": [key.boot for key in wanted],
            "seq": [key.seq for key in wanted],
        },
    )
    return {Key(node, boot, seq): digest for node, boot, seq, digest in await cursor.fetchall()}


# --- messages that need no second look ----------------------------------------------------------

_COLUMNS: Final = 6
_NUMBERS: Final = struct.Struct(">iqiqiqiq")


def head(node_id: str, kind: str) -> bytes:
    """What the rows of all messages of one kind from one node begin with."""
    return copying.start_of_row(_COLUMNS) + copying.text(node_id) + copying.text(kind)


def row(head: bytes, boot: int, seq: int, digest: int, received: int) -> bytes:
    """A message as a row of binary COPY; `received` is in microseconds since 2000."""
    return head + _NUMBERS.pack(8, boot, 8, seq, 8, digest, 8, received)


async def copy(conn: Connection, rows: list[bytes]) -> None:
    """Remember messages that are new. Part of a transaction. Raises TakenError if one is not."""
    await copying.copy(conn, _SQL["copy"], rows)


async def known(conn: Connection, keys: Sequence[Key]) -> set[Key]:
    """Which of these were seen before."""
    return set(await _digests(conn, keys))


async def ranges(conn: Connection, boots: Sequence[Boot]) -> dict[Boot, list[tuple[int, int]]]:
    """Everything taken of these boots as ascending, unbroken ranges, both ends included; of more
    than `MOST_RANGES` in a boot the first and the latest."""
    found: dict[Boot, list[tuple[int, int]]] = {boot: [] for boot in boots}
    values = {"node_id": [b.node_id for b in boots], "boot": [b.boot for b in boots]}
    cursor = await conn.execute(_SQL["ranges"], values | {"most": MOST_RANGES})
    for node_id, boot, low, high in await cursor.fetchall():
        found[Boot(node_id, boot)].append((low, high))
    return found
