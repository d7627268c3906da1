"""Module 4: an acknowledgement's time is over; the episode is on the worklist again (rule 3).

Nobody is paged by this: nothing old pages by itself.
"""

import msgspec

from alerts.turn import Turn
from store import episode as episodes
from store.episode import Trace

_LIMIT = 200


async def run(turn: Turn) -> bool:
    """Give back what was acknowledged too long ago; whether there may be more."""
    async with turn.pool.connection() as conn, conn.transaction():
        due = await episodes.due(conn, "acknowledgement", now=turn.now, limit=_LIMIT)
        for episode in due:
            back = msgspec.structs.replace(episode, state="open", escalate_at=None)
            await episodes.save(conn, back)
            detail = {"acknowledged_by": episode.acknowledged_by}
            line = Trace(phase="acknowledgement_expired", reason="time_over", detail=detail)
            await episodes.record(conn, episode.id, turn.now, [line])
    return len(due) == _LIMIT
