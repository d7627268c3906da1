"""Any vital sign of one patient over time: single readings, and dense series cut down to buckets.

The caller has checked that the patient may be seen. Values are in the canonical units of
`contract/vitals.yaml`.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from psycopg.rows import class_row

from store import aggregate
from store.named import queries
from store.pool import Connection

_SQL = queries("vital")

PRESSURE: Final = "bp"  # has a chart and a table of its own
# So much is read sample by sample; of a longer span only the end.
_SHORT: Final = timedelta(days=2)
_RECENT: Final = timedelta(hours=3)


class Reading(Struct, frozen=True, kw_only=True):
    """One reading; v0..v3 follow the parts of its kind."""

    kind: str
    device_id: int
    ordinal: int
    measured_at: datetime
    received_at: datetime
    claimed_at: datetime | None
    v0: float | None
    v1: float | None
    v2: float | None
    v3: float | None
    flags: int
    clock: str
    conflict: bool
    corrected: bool

    @property
    def values(self) -> tuple[float | None, ...]:
        """In the order of the parts."""
        return (self.v0, self.v1, self.v2, self.v3)


class Bucket(Struct, frozen=True, kw_only=True):
    """A stretch of a dense series from `at` on; `left_out`: shown, but counts for nothing."""

    kind: str
    part: int
    at: datetime
    left_out: bool
    low: float
    mean: float
    high: float
    samples: int
    flags: int


async def readings(
    conn: Connection, *, patient_id: int, since: datetime, until: datetime, limit: int = 2000
) -> list[Reading]:
    """Readings in [since, until) of every kind but the pressure; at most `limit` of a kind."""
    args = {
        "patient_id": patient_id,
        "since": since,
        "until": until,
        "limit": limit,
        "without": [PRESSURE],
    }
    async with conn.cursor(row_factory=class_row(Reading)) as cursor:
        return await (await cursor.execute(_SQL["readings"], args)).fetchall()


async def buckets(
    conn: Connection,
    *,
    patient_id: int,
    since: datetime,
    until: datetime,
    width: timedelta,
    now: datetime,
) -> list[Bucket]:
    """Samples of dense series in [since, until), in stretches of `width` counted from `since`.

    A long span is read from what was computed by minute (store.aggregate), which follows what is
    stored by seconds; the last hours are always read as they are.
    """
    long = until - since > _SHORT and await aggregate.has_begun(conn)
    args = {
        "patient_id": patient_id,
        "since": since,
        "until": until,
        "width": width,
        "settled": _hour(max(since, now - _RECENT) if long else since),
        "not_counting": aggregate.NOT_COUNTING,
    }
    async with conn.cursor(row_factory=class_row(Bucket)) as cursor:
        return await (await cursor.execute(_SQL["buckets"], args)).fetchall()


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
