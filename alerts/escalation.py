"""Module 3: nobody has acknowledged in time, so the next step is told (safety rule 12)."""

import msgspec
from psycopg import OperationalError

from alerts import faults, ladder, telling
from alerts.drafts import Whose, Why
from alerts.turn import Turn
from store import episode as episodes
from store.episode import Episode, Trace
from store.pool import Connection

_LIMIT = 200


async def run(turn: Turn) -> bool:
    """Climb where it is due; whether there may be more."""
    async with turn.pool.connection() as conn, conn.transaction():
        due = await episodes.due(conn, "escalation", now=turn.now, limit=_LIMIT)
        for episode in due:
            await _climb(conn, episode, turn)
    return len(due) == _LIMIT


async def _climb(conn: Connection, episode: Episode, turn: Turn) -> None:
    try:
        async with conn.transaction():
            await _tell_next(conn, episode, turn)
    except OperationalError:
        raise
    except Exception as error:  # noqa: BLE001 - one episode must not hold up the others
        whose = Whose(
            patient_id=episode.patient_id, device_id=episode.device_id, node_id=episode.node_id
        )
        await faults.report(
            conn, "escalation", whose, episode.onset_at, error, turn.settings, turn.now
        )


async def _tell_next(conn: Connection, episode: Episode, turn: Turn) -> None:
    rung = ladder.following(episode, turn.now)
    if rung is None:
        await episodes.save(conn, msgspec.structs.replace(episode, escalate_at=None))
        line = Trace(phase="suppress", reason="ladder_climbed_once")
        await episodes.record(conn, episode.id, turn.now, [line])
        return
    why = Why.NOBODY_ANSWERED if rung.unanswered else Why.ESCALATED
    await episodes.save(conn, rung.episode)
    told = await telling.tell(conn, rung, why, settings=turn.settings, now=turn.now)
    climbed = Trace(
        phase="escalate",
        reason=why.value,
        detail={"step": rung.episode.step, "round": rung.episode.round},
    )
    await episodes.record(conn, episode.id, turn.now, [climbed, *told])
