"""Module 7: what could not be worked out is tried again, and taken back when it can."""

from typing import Final

from alerts import adherence, faults
from alerts.judgement import judge
from alerts.rules import missed_doses
from alerts.rules.registry import READING_RULES
from alerts.turn import Turn
from store.episode import Episode

_DOSES: Final = missed_doses.RULE.name


async def run(turn: Turn) -> bool:
    """Try every open fault of a person's readings and doses again."""
    async with turn.pool.connection() as conn, conn.transaction():
        waiting = await faults.waiting(conn)
        readings = [fault for fault in waiting if _what(fault) in READING_RULES]
        doses = [fault for fault in waiting if _what(fault) == _DOSES]
        if not readings and not doses:
            return False
        failed = await judge(conn, faults.affected(readings), settings=turn.settings, now=turn.now)
        failed |= await adherence.judge(
            conn,
            sorted({fault.patient_id for fault in doses if fault.patient_id is not None}),
            settings=turn.settings,
            now=turn.now,
        )
        over = [fault for fault in [*readings, *doses] if fault.subject not in failed]
        await faults.recovered(conn, over, turn.settings, turn.now)
    return False


def _what(fault: Episode) -> str:
    return fault.subject.partition(":")[0]
