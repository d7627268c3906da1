"""Module 5: who has not measured for longer than planned, found by a timer (safety rule 14)."""

from datetime import datetime, timedelta
from typing import Final

from alerts import faults
from alerts.away import AWAY
from alerts.carrying_out import carry_out
from alerts.conditions import settle
from alerts.drafts import Whose
from alerts.rules import no_reading
from alerts.turn import Turn
from alerts.verdict import Verdict
from store import episode as episodes
from store import window
from store.episode import Episode
from store.pool import Connection

_REMEMBERED: Final = timedelta(days=60)


async def run(turn: Turn) -> bool:
    """Open, update and take back the episodes of silence."""
    async with turn.pool.connection() as conn, conn.transaction():
        silent = {row.patient_id: row for row in await window.silent(conn, now=turn.now)}
        known = await episodes.of_rule(
            conn, rule=no_reading.RULE.name, closed_since=turn.now - _REMEMBERED
        )
        opened = {e.patient_id: e for e in known if e.state != "closed" and e.patient_id}
        for patient_id in sorted({*silent, *opened}):
            row = silent.get(patient_id)
            verdict = no_reading.judge_silence(row, turn.now) if row else None
            open_one = opened.get(patient_id)
            mine = [e for e in known if e.patient_id == patient_id]
            expect = timedelta(seconds=row.expect_s) if row else timedelta(0)
            if open_one is None and _dealt_with(mine, expect, turn.now):
                continue
            await _settle(conn, patient_id, open_one, verdict, turn)
    return False


def _dealt_with(known: list[Episode], expect: timedelta, now: datetime) -> bool:
    """Somebody closed it less than another interval ago."""
    return any(
        e.closed_by is not None and e.closed_at is not None and now - e.closed_at < expect
        for e in known
    )


async def _settle(
    conn: Connection,
    patient_id: int,
    open_one: Episode | None,
    verdict: Verdict | None,
    turn: Turn,
) -> None:
    whose = Whose(patient_id=patient_id)
    try:
        draft = settle(open_one, verdict, whose=whose, now=turn.now)
        if draft is not None:
            async with conn.transaction():
                await carry_out(conn, draft, settings=turn.settings, now=turn.now)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - one patient's trouble must not stop the others
        await faults.report(
            conn, no_reading.RULE.name, whose, turn.now, error, turn.settings, turn.now
        )
