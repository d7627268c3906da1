"""Module 3: nobody has acknowledged in time, so the next step is told (safety rule 12)."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec

from alerts import faults, ladder, progress, telling, unreachable
from alerts.away import AWAY
from alerts.carrying_out import stamped
from alerts.drafts import Whose, Why
from alerts.turn import Turn
from store import episode as episodes
from store import notification
from store.episode import Episode, Trace
from store.pool import Connection

_LIMIT = 200


async def run(turn: Turn) -> bool:
    """Climb where it is due; whether there may be more."""
    async with turn.pool.connection() as conn, conn.transaction():
        await _fail_over(conn, turn)
        silent = await episodes.due(conn, "answer", now=turn.now, limit=_LIMIT)
        for episode in silent:
            await _attempt(conn, episode, turn, _say_unanswered)
        due = await episodes.due(conn, "escalation", now=turn.now, limit=_LIMIT)
        for episode in due:
            await _attempt(conn, episode, turn, _tell_next)
    return _LIMIT in (len(silent), len(due))


async def _fail_over(conn: Connection, turn: Turn) -> None:
    """A step whose addresses cannot be reached for a while does not hold up the next."""
    patience = timedelta(seconds=turn.settings.alerts_fail_over_after_s)
    for step in await notification.unreached(conn, before=turn.now - patience, now=turn.now):
        await unreachable.fail_over(conn, step, now=turn.now)


async def _attempt(
    conn: Connection,
    episode: Episode,
    turn: Turn,
    step: Callable[[Connection, Episode, Turn], Awaitable[None]],
) -> None:
    try:
        async with conn.transaction():
            await step(conn, episode, turn)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - one episode must not hold up the others
        whose = Whose(
            patient_id=episode.patient_id, device_id=episode.device_id, node_id=episode.node_id
        )
        await faults.report(
            conn, "escalation", whose, episode.onset_at, error, turn.settings, turn.now
        )


async def _say_unanswered(conn: Connection, episode: Episode, turn: Turn) -> None:
    """The device says that nobody has answered, and which number to call."""
    await episodes.save(conn, msgspec.structs.replace(episode, unanswered_at=None))
    await progress.nobody_answers(conn, episode, turn.now)
    detail = {"round": episode.round, "number": episode.policy.emergency_number}
    line = Trace(phase="continue", reason="nobody_has_answered", detail=detail)
    await episodes.record(conn, episode.id, turn.now, [line])


async def _tell_next(conn: Connection, episode: Episode, turn: Turn) -> None:
    rung = ladder.following(episode, turn.now)
    if rung is None:
        await episodes.save(conn, msgspec.structs.replace(episode, escalate_at=None))
        line = Trace(phase="suppress", reason="ladder_climbed_once")
        await episodes.record(conn, episode.id, turn.now, [line])
        return
    if rung.again:
        rung = ladder.restarted(await stamped(conn, episode, turn.settings), turn.now)
    why = Why.NOBODY_ANSWERED if rung.again else Why.ESCALATED
    await episodes.save(conn, rung.episode)
    told = await telling.tell(conn, rung, why, settings=turn.settings, now=turn.now)
    climbed = Trace(
        phase="escalate",
        reason=why.value,
        detail={"step": rung.episode.step, "round": rung.episode.round},
    )
    await episodes.record(conn, episode.id, turn.now, [climbed, *told])
