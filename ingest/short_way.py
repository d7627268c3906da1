"""Writing the usual messages of a batch: copied straight into their tables, in one transaction, the
feed last. If anything of them is there already nothing is stored (TakenError): then `sift` says
which, and only those go the long way."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from contract.instants import from_millis
from ingest.heard import Heard
from ingest.mqtt_session import Arrival
from ingest.usual import Usual, sort_out
from ingest.write import FEED
from store import block_copy, feed, message, node_state, reading_copy
from store.line import Line
from store.partition import Partitions

_DAY_MS: Final = 86_400_000
_SHORTEST_MONTH_MS: Final = 28 * _DAY_MS


async def commit(line: Line, usual: Usual, *, partitions: Partitions, heard: Heard) -> None:
    """Store all of them. Raises TakenError, UnavailableError, UnstorableError."""
    await _make_room(line, usual, partitions)
    nodes = heard.due_nodes({one.way.node_id for one in usual.messages})
    async with line.transaction() as conn:
        if nodes:
            await node_state.touch(conn, nodes, at=usual.messages[-1].arrival.received_at)
        await message.copy(conn, usual.message_rows)
        await reading_copy.copy(conn, usual.reading_rows)
        await block_copy.copy(conn, usual.block_rows)
        await feed.append(conn, FEED, (), (usual.reading_columns, usual.block_columns))
        await block_copy.alone(conn, usual.block_columns, partitions.ends)
    heard.noted(nodes)


async def _make_room(line: Line, usual: Usual, partitions: Partitions) -> None:
    readings = partitions.missing("reading", _days(usual.reading_columns.at))
    blocks = partitions.missing("block", _days(usual.block_columns.at))
    if readings or blocks:
        async with line.transaction() as conn:
            await partitions.ensure(conn, "reading", readings)
            await partitions.ensure(conn, "block", blocks)


async def sift(line: Line, usual: Usual) -> tuple[Usual, list[Arrival]]:
    """Those of which nothing is there yet, and the others. Raises UnavailableError."""
    async with line.transaction() as conn:
        seen = await message.known(conn, [one.key for one in usual.messages])
        readings = await reading_copy.known(conn, usual.reading_columns)
        blocks = await block_copy.known(conn, usual.block_columns)
    old = {usual.readings[n][0] for n in readings} | {usual.blocks[n][0] for n in blocks}
    fresh: list[Arrival] = []
    others: list[Arrival] = []
    for place, one in enumerate(usual.messages):
        (others if place in old or one.key in seen else fresh).append(one.arrival)
        seen.add(one.key)  # of a batch the first is new
    again, unusual = sort_out(fresh, {one.arrival.topic: one.way for one in usual.messages}, None)
    return again, others + unusual


def _days(times: Sequence[int]) -> list[datetime]:
    """Instants in each month these lie in (milliseconds since 1970)."""
    if not times:
        return []
    first, last = min(times), max(times)
    if last - first < _SHORTEST_MONTH_MS:
        return [from_millis(first), from_millis(last)]
    return [from_millis(day * _DAY_MS) for day in {at // _DAY_MS for at in times}]
