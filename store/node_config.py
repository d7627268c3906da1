"""What nodes said they are set to. The newest word holds; an earlier one changes nothing.

What they are to be set to is `store.configuration`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from store.named import queries
from store.pool import Connection

_SQL = queries("node_config")


class ReportRow(Struct, frozen=True, kw_only=True):
    """One report: `applied` are the values in force, `errors` what was not taken and why.

    `at` is the device's time where it can be true, else that of arrival: between two boots it
    decides which report is the newer, within one boot `seq` does.
    """

    node_id: str
    revision: int
    applied: dict[str, Any]
    errors: list[dict[str, Any]]
    boot: int
    seq: int
    at: datetime


async def take_over(conn: Connection, rows: Sequence[ReportRow]) -> list[bool]:
    """Take over what is newer than what is known; one answer each. Part of a transaction."""
    if not rows:
        return []
    cursor = conn.cursor()
    await cursor.executemany(_SQL["take_over"], [_values(row) for row in rows], returning=True)
    taken = [cursor.rowcount == 1]
    while cursor.nextset():
        taken.append(cursor.rowcount == 1)
    return taken


def _values(row: ReportRow) -> dict[str, Any]:
    applied = msgspec.json.encode(row.applied).decode()
    errors = msgspec.json.encode(row.errors).decode()
    return msgspec.structs.asdict(row) | {"applied": applied, "errors": errors}
