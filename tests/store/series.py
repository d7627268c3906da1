"""Rows of the series tables, as tests need them."""

from datetime import UTC, datetime
from typing import Any

from store.block import BlockRow
from store.partition import Partitions, month_of
from store.pool import Connection
from store.reading import ReadingRow

AT = datetime(2026, 3, 4, tzinfo=UTC)


def reading_row(**given: Any) -> ReadingRow:
    """A blood pressure of 148/91, unless told otherwise."""
    usual: dict[str, Any] = {
        "device_id": 1,
        "kind": "bp",
        "measured_at": AT,
        "ordinal": 0,
        "patient_id": 1,
        "values": (148.0, 91.0, None, None),
        "flags": 0,
        "clock": "ntp",
        "claimed_at": None,
        "who": None,
        "session_id": None,
        "context": None,
        "original": None,
        "fix": False,
        "node_id": "testnode1",
        "boot": 1,
        "seq": 0,
        "sent_at": AT,
        "received_at": AT,
    }
    return ReadingRow(**(usual | given))


def block_row(**given: Any) -> BlockRow:
    """Five seconds of oximetry, unless told otherwise."""
    usual: dict[str, Any] = {
        "device_id": 1,
        "kind": "spo2",
        "start_at": AT,
        "part": 0,
        "step_ms": 1000,
        "samples": [97.0, 97.0, None, 96.0, 96.5],
        "quality": None,
        "patient_id": 1,
        "flags": 0,
        "clock": "ntp",
        "who": None,
        "context": None,
        "node_id": "testnode1",
        "boot": 1,
        "seq": 0,
        "received_at": AT,
    }
    return BlockRow(**(usual | given))


async def with_months(conn: Connection) -> None:
    """Make the month of `AT`."""
    for table in ("reading", "block"):
        await Partitions().ensure(conn, table, [month_of(AT)])  # type: ignore[arg-type]
