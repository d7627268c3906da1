"""What the alert engine makes of what ingest has stored, with any clock."""

from typing import Any

from alerts.engine import Engine
from alerts.settings import AlertsSettings
from runtime.clock import Clock, SystemClock
from store.pool import Connection, make_pool

EPISODES = (
    "SELECT patient_id, device_id, rule, tier, state, late, onset_at FROM episode ORDER BY id"
)


async def judged(
    conn: Connection, database_url: str, clock: Clock | None = None
) -> list[dict[str, Any]]:
    """One turn of the engine; the episodes there are now, oldest first."""
    settings = AlertsSettings(database_url=database_url)
    async with (
        make_pool(database_url, name="promises", size=4) as pool,
        Engine(pool, settings, clock or SystemClock()) as engine,
    ):
        await engine.cycle()
        await engine.outbox.settled()
    cursor = await conn.execute(EPISODES.encode())
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]
