"""How complete a patient's data is, by day in their own time zone: see `measures.completeness`."""

from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from contract.vitals import FLAGS
from measures import completeness
from measures.completeness import Asked, Day, Loss
from store.gap import WIDEST
from store.named import queries
from store.pool import Connection

_SQL = queries("completeness")
_NOT_COUNTED: Final = FLAGS["demo"].mask | FLAGS["failed"].mask
# How far back a reading is looked for that a longer interval has to count from.
_LOOK_BACK: Final = 62


async def days(conn: Connection, patient_id: int, *, number: int, now: datetime) -> list[Day]:
    """The last `number` days to today, the latest first; none for a patient there is not."""
    row = await (
        await conn.execute(_SQL["about"], {"patient_id": patient_id, "now": now})
    ).fetchone()
    if row is None:
        return []
    every_s, created_at, zone_name = row
    zone = ZoneInfo(zone_name)
    first = now.astimezone(zone).date() - timedelta(days=number - 1)
    back = min(completeness.interval_days(every_s or 1), _LOOK_BACK)
    values = {
        "patient_id": patient_id,
        "zone": zone_name,
        "since": _begins(first, zone),
        "until": now,
        "not_counted": _NOT_COUNTED,
        "widest": WIDEST,
    }
    earlier = values | {"since": _begins(first - timedelta(days=back), zone)}
    return completeness.days(
        first,
        now=now,
        zone=zone,
        asked=Asked(
            every_s=every_s,
            since=created_at.astimezone(zone).date(),
            planned=dict(await _rows(conn, "planned", values)),
        ),
        came=dict(await _rows(conn, "came", earlier)),
        losses=[_loss(row) for row in await _rows(conn, "losses", values)],
    )


def _begins(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _loss(row: tuple[Any, ...]) -> Loss:
    _, after_at, before_at, missing, lost, unclear = row
    return Loss(after_at=after_at, before_at=before_at, missing=missing, lost=lost, unclear=unclear)


async def _rows(conn: Connection, name: str, values: dict[str, Any]) -> list[Any]:
    return await (await conn.execute(_SQL[name], values)).fetchall()
