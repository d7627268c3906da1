"""Doses of a past this hub did not see: for a demo, or a plan taken over from another system.

Each revision of the past makes the doses of its fortnight, with the ids they would have had; what
became of them is then told by acknowledgements, as always. None of these revisions is published.
"""

from datetime import datetime, timedelta

from downlink.revisions import revise
from downlink.settings import DownlinkSettings
from store.pool import Connection


async def backfill(
    conn: Connection, node_id: str, *, since: datetime, now: datetime, settings: DownlinkSettings
) -> None:
    """Make a node's doses from `since` to the end of its present plan.

    The items must have been written down at `since` or before; run it before downlink runs, and
    tell what became of the doses before it does, or it will call them missed.
    """
    at = since
    while at < now:
        await revise(conn, node_id, now=at, settings=settings)
        at += settings.plan_length - timedelta(days=1)
    await revise(conn, node_id, now=now, settings=settings)
