"""Readings that need no second look, as rows of binary COPY straight into the table.

Most readings are alike but for their time and their numbers, so what is the same is made into bytes
once (`Usual`). The order of the columns is that of store/sql/reading_copy.sql.
"""

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from contract.instants import from_millis
from store import copying
from store.copying import NULL
from store.feed_columns import ReadingColumns, Said
from store.named import queries
from store.pool import Connection

_SQL: Final = queries("reading_copy")
_COLUMNS: Final = 18
_PLACE: Final = struct.Struct(">iqiq")
_END: Final = struct.Struct(">iqiqiqiq")
_FLOAT: Final = struct.Struct(">id")
_PARTS: Final = 4

Values = Sequence[float | None]


class Usual:
    """What many readings share: whose they are, of what and from where. Times are in milliseconds
    since 1970, except `received`: microseconds since 2000."""

    __slots__ = ("_head", "_one", "_tail", "_two", "said")

    def __init__(self, said: Said, context: dict[str, object] | None) -> None:
        self.said = said
        self._head = (
            copying.start_of_row(_COLUMNS) + copying.int8(said.device_id) + copying.text(said.kind)
        )
        self._tail = copying.whose(said, context)
        lengths = len(self._head), len(self._tail)
        self._one, self._two = _packs(*lengths, "idiii"), _packs(*lengths, "ididii")

    def row(
        self, at: int, ordinal: int, values: Values, boot: int, seq: int, sent: int, received: int
    ) -> bytes:
        """One reading as a row."""
        at, sent = (at - copying.EPOCH_MS) * 1000, (sent - copying.EPOCH_MS) * 1000
        head, tail = self._head, self._tail
        if len(values) == 2:
            a, b = values
            if a is not None and b is not None:
                # fmt: off
                return self._two(head, 8, at, 8, ordinal, 8, a, 8, b, -1, -1,
                                 8, boot, 8, seq, 8, sent, 8, received, tail)
                # fmt: on
        elif len(values) == 1 and values[0] is not None:
            # fmt: off
            return self._one(head, 8, at, 8, ordinal, 8, values[0], -1, -1, -1,
                             8, boot, 8, seq, 8, sent, 8, received, tail)
            # fmt: on
        place = _PLACE.pack(8, at, 8, ordinal)
        numbers = [NULL if value is None else _FLOAT.pack(8, value) for value in values]
        numbers += [NULL] * (_PARTS - len(values))
        end = _END.pack(8, boot, 8, seq, 8, sent, 8, received)
        return b"".join((head, place, *numbers, end, tail))


@lru_cache(maxsize=256)
def _packs(head: int, tail: int, values: str) -> Callable[..., bytes]:
    """A whole row in one go, between a head and a tail of so many bytes."""
    return struct.Struct(f">{head}siqiq{values}iqiqiqiq{tail}s").pack


async def known(conn: Connection, columns: ReadingColumns) -> set[int]:
    """Which of these, by place, are stored already, or say again what one before them said."""
    said = [columns.of[which] for which in columns.which]
    wanted = {
        "device_id": [one.device_id for one in said],
        "kind": [one.kind for one in said],
        "at": [from_millis(at) for at in columns.at],
        "ordinal": columns.ordinal,
    }
    return {int(n) for (n,) in await (await conn.execute(_SQL["known"], wanted)).fetchall()}


async def copy(conn: Connection, rows: list[bytes]) -> None:
    """Store readings of which none may be there yet. Part of a transaction; the months must be
    there. Raises TakenError."""
    await copying.copy(conn, _SQL["copy"], rows)
