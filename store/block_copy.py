"""Blocks that need no second look, as rows of binary COPY straight into the table.

What many of them share is made into bytes once (`Usual`). The order of the columns is that of
store/sql/block_copy.sql.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from contract.instants import from_millis, to_millis
from store import copying
from store.copying import TakenError
from store.ends import Ends
from store.feed_columns import BlockColumns, Said
from store.named import queries
from store.overlap import REACH
from store.pool import Connection

_SQL: Final = queries("block_copy")
_COLUMNS: Final = 15
_PLACE: Final = struct.Struct(">iqihii")
_END: Final = struct.Struct(">iqiqiq")
_FLOAT4: Final = 700
_ARRAY: Final = struct.Struct(">iiiiii")
_ARRAY_BYTES: Final = 20
_SAMPLE: Final = struct.Struct(">if")


class Usual:
    """What many blocks share. Times as in store.reading_copy."""

    __slots__ = ("_head", "_middle", "said")

    def __init__(self, said: Said, context: dict[str, object] | None) -> None:
        self.said = said
        self._head = (
            copying.start_of_row(_COLUMNS) + copying.int8(said.device_id) + copying.text(said.kind)
        )
        self._middle = copying.whose(said, context)

    def row(
        self,
        start: int,
        part: int,
        step_ms: int,
        samples: Sequence[float | None],
        boot: int,
        seq: int,
        received: int,
    ) -> bytes:
        """One column of a series as a row."""
        place = _PLACE.pack(8, (start - copying.EPOCH_MS) * 1000, 2, part, 4, step_ms)
        end = _END.pack(8, boot, 8, seq, 8, received)
        return b"".join((self._head, place, self._middle, _array(samples), end))


def _array(samples: Sequence[float | None]) -> bytes:
    """A real[] with its length."""
    gaps = None in samples
    content = _with_gaps(samples) if gaps else _whole(samples)
    size = _ARRAY_BYTES + len(content)
    return _ARRAY.pack(size, 1, gaps, _FLOAT4, len(samples), 1) + content


def _whole(samples: Sequence[Any]) -> bytes:
    mixed: list[Any] = [4] * (2 * len(samples))
    mixed[1::2] = samples
    return _samples(len(samples)).pack(*mixed)


@lru_cache(maxsize=64)
def _samples(number: int) -> struct.Struct:
    return struct.Struct(">" + "if" * number)


def _with_gaps(samples: Sequence[float | None]) -> bytes:
    return b"".join([copying.NULL if x is None else _SAMPLE.pack(4, x) for x in samples])


async def known(conn: Connection, columns: BlockColumns) -> set[int]:
    """Which of these, by place, say again what one before them said, or may have samples that are
    stored already."""
    every = range(len(columns.at))
    wanted = _wanted(columns, every)
    rows = await (await conn.execute(_SQL["known"], wanted)).fetchall()
    return {int(n) for (n,) in rows} | await _overlapping(conn, columns, every)


async def alone(conn: Connection, columns: BlockColumns, ends: Ends) -> None:
    """Make sure that none of these, which this transaction stored, has samples at instants of
    another block. To be asked under the feed's lock, when everybody else has committed.

    Raises TakenError, now and then also without cause.
    """
    look, unknown = ends.take(columns)
    if look and await _overlapping(conn, columns, look):
        raise TakenError
    if unknown:
        wanted = _wanted(columns, list(unknown.values())) | {"reach": REACH}
        found = await (await conn.execute(_SQL["ends"], wanted)).fetchall()
        keys = list(unknown)
        for n, end in found:
            ends.learn(keys[n], to_millis(end) + 1)


async def _overlapping(conn: Connection, columns: BlockColumns, places: Sequence[int]) -> set[int]:
    untils = [columns.at[n] + columns.step[n] * (columns.samples[n] - 1) for n in places]
    wanted = _wanted(columns, places) | {
        "until": [from_millis(until) for until in untils],
        "step": [columns.step[n] for n in places],
        "reach": REACH,
    }
    rows = await (await conn.execute(_SQL["overlapping"], wanted)).fetchall()
    return {places[n] for (n,) in rows}


def _wanted(columns: BlockColumns, places: Sequence[int]) -> dict[str, Any]:
    said = [columns.of[columns.which[n]] for n in places]
    return {
        "device_id": [one.device_id for one in said],
        "kind": [one.kind for one in said],
        "at": [from_millis(columns.at[n]) for n in places],
        "part": [columns.part[n] for n in places],
    }


async def copy(conn: Connection, rows: list[bytes]) -> None:
    """Store blocks of which none may be there yet. Part of a transaction; the months must be
    there. Raises TakenError."""
    await copying.copy(conn, _SQL["copy"], rows)
