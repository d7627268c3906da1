"""What time itself changes: commands expire, doses are missed, messages late, settings over."""

from datetime import datetime, timedelta

import structlog

from downlink.revisions import dose_item
from downlink.settings import DownlinkSettings
from measures.dose import OPEN
from store import command, configuration, dose, feed, outbound
from store.feed import DoseItem, ResultItem
from store.pool import Connection

_LOG = structlog.get_logger()


async def expire_commands(conn: Connection, *, now: datetime, settings: DownlinkSettings) -> int:
    """Give up commands nobody answered, and tell the feed; returns how many."""
    async with conn.transaction():
        expired = await command.expire(
            conn,
            now=now,
            sent_before=now - timedelta(seconds=settings.sent_grace_s),
            accepted_before=now - timedelta(seconds=settings.accepted_grace_s),
        )
        items = [
            ResultItem(
                node_id=each.node_id,
                command_id=each.id,
                state="expired",
                out={},
                session_id=each.session_id,
                received_at=now,
            )
            for each in expired
        ]
        await feed.append(conn, "downlink", items)
    return len(expired)


async def miss_doses(conn: Connection, *, now: datetime, settings: DownlinkSettings) -> int:
    """Mark as missed what nobody answered, and tell the feed; returns how many.

    While a node is away its person may have answered it: its doses wait until the node has been
    back for the grace, or a day. A true report that comes later still corrects a missed dose.
    """
    async with conn.transaction():
        overdue = await dose.overdue(
            conn,
            answered_before=now - timedelta(seconds=settings.missed_grace_s),
            given_up_before=now - timedelta(seconds=settings.device_away_s),
        )
        changed: list[DoseItem] = []
        for each in overdue:
            changed += await _miss(conn, each, now)
        await feed.append(conn, "downlink", changed)
    return len(changed)


async def _miss(conn: Connection, overdue: dose.Overdue, now: datetime) -> list[DoseItem]:
    current = await dose.lock_dose(conn, overdue.id, overdue.node_id)
    if current is None or current.state not in OPEN:
        return []
    # Missed when the window closed, whenever the hub gave up waiting.
    said = dose.Statement(state="missed", at=current.window_to, by="hub", why=overdue.why)
    await dose.note(conn, overdue.id, said, taken_over=True, now=now)
    changed = await dose.set_state(conn, overdue.id, said, now=now)
    return [] if changed is None else [dose_item(changed, now)]


async def clear_messages(conn: Connection, *, now: datetime) -> None:
    """Drop messages that are past their time."""
    untold = await outbound.clear(conn, now=now)
    if untold:
        _LOG.warning("messages_too_late", count=untold)


async def tend_configurations(conn: Connection, *, now: datetime) -> None:
    """End developer mode where its day is over; outnumber devices that are ahead of the hub."""
    for node_id in await configuration.end_developer_mode(conn, now=now):
        _LOG.info("developer_mode_ended", node=node_id)
    for node_id in await configuration.overtake(conn):
        _LOG.warning("configuration_overtaken", node=node_id)
