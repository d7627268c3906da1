"""Diagnostics: the latest of each node are kept, for thirty days, a bounded number at a time."""

from datetime import timedelta
from typing import Any

import pytest

from store import node_diag
from store.node_diag import DiagRow
from store.pool import Connection
from tests.fixtures.factories import Factory
from tests.store.series import AT


def rows(node_id: str, number: int, **given: Any) -> list[DiagRow]:
    """So many messages of a node, numbered."""
    usual: dict[str, Any] = {"received_at": AT, "at": None, "metrics": {}, "log": []}
    return [DiagRow(node_id=node_id, boot=n, **(usual | given)) for n in range(number)]


async def boots(conn: Connection, node_id: str) -> list[int | None]:
    """What is kept of a node, newest first."""
    return [row.boot for row in await node_diag.latest(conn, node_id=node_id, limit=2000)]


async def test_each_node_keeps_its_latest(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chatty node loses its oldest, a quiet one nothing; so many at once."""
    monkeypatch.setattr(node_diag, "KEPT_A_NODE", 5)
    monkeypatch.setattr(node_diag, "_AT_ONCE", 4)
    make = Factory(conn)
    area = await make.area()
    chatty, quiet = await make.node(area), await make.node(area)
    await node_diag.keep(conn, rows(chatty, 11) + rows(quiet, 3))
    assert await node_diag.prune_nodes(conn, [chatty, quiet]) == 4
    assert await node_diag.prune_nodes(conn, [chatty, quiet]) == 2
    assert await node_diag.prune_nodes(conn, [chatty, quiet]) == 0
    assert await boots(conn, chatty) == [10, 9, 8, 7, 6]
    assert await boots(conn, quiet) == [2, 1, 0]


async def test_a_month_is_enough(conn: Connection) -> None:
    """Older ones go."""
    make = Factory(conn)
    node = await make.node(await make.area())
    old = AT - timedelta(days=31)
    await node_diag.keep(conn, rows(node, 2, received_at=old) + rows(node, 1))
    assert await node_diag.prune_old(conn, now=AT) == 2
    assert await boots(conn, node) == [0]
