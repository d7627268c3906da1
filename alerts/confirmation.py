"""Module 2: the repeat did not come in time, so the page goes out (safety rules 6 and 13)."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
import structlog

from alerts import faults
from alerts.away import AWAY
from alerts.carrying_out import carry_out
from alerts.drafts import Draft, Whose, Why
from alerts.judgement import judge
from alerts.settings import AlertsSettings
from alerts.subjects import Affected
from alerts.turn import Turn
from store import episode as episodes
from store.episode import Episode
from store.pool import Connection

_LOG = structlog.get_logger()
_LIMIT = 200


async def run(turn: Turn) -> bool:
    """Judge again whatever has reached its deadline; whether there may be more.

    A guided session may have ended meanwhile, or a newer reading superseded a late one. What
    still waits after that is told as unconfirmed, also when its rule could not be worked out.
    """
    async with turn.pool.connection() as conn, conn.transaction():
        due = await episodes.due(conn, "confirmation", now=turn.now, limit=_LIMIT)
        if not due:
            return False
        await _judge_again(conn, due, turn)
        for episode in due:
            await _page_if_still_due(conn, episode, turn.settings, turn.now)
    return len(due) == _LIMIT


async def _judge_again(conn: Connection, due: Sequence[Episode], turn: Turn) -> None:
    """Whatever goes wrong here delays no page: what is still due is told without it."""
    affected = Affected()
    affected.episodes(due, waiting=True)
    try:
        async with conn.transaction():
            await judge(conn, affected, settings=turn.settings, now=turn.now)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - the deadline holds all the same
        await faults.report(conn, "confirmation", Whose(), turn.now, error, turn.settings, turn.now)


async def _page_if_still_due(
    conn: Connection, due: Episode, settings: AlertsSettings, now: datetime
) -> None:
    episode = await episodes.find(conn, due.id, lock=True)
    if episode is None or episode.state == "closed":
        return
    if episode.confirm_by is None or episode.confirm_by > now:
        return
    _LOG.warning("paged_without_judgement", episode=episode.id, rule=episode.rule)
    told = msgspec.structs.replace(
        episode,
        state="open",
        confirmation="unconfirmed",
        confirm_by=None,
        told_tier=episode.tier,
        covered_until=episode.last_evidence_at,
        acknowledged_at=None,
        acknowledged_by=None,
        acknowledged_until=None,
    )
    draft = Draft(before=episode, after=told).noting("update", "unconfirmed_at_deadline")
    await carry_out(conn, draft.told(Why.FIRST), settings=settings, now=now)
