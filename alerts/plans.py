"""Module 6: plans that are not on their device, or run out there (safety rule 10)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from alerts import faults
from alerts.away import AWAY
from alerts.carrying_out import carry_out
from alerts.conditions import settle
from alerts.drafts import Whose
from alerts.rules import plan_not_confirmed, plan_running_out
from alerts.turn import Turn
from alerts.verdict import Verdict
from store import episode as episodes
from store import plan, window
from store.episode import Episode
from store.pool import Connection

# A plan that still runs out after somebody closed it comes back the next day.
_AGAIN_AFTER: Final = timedelta(hours=24)
_REMEMBERED: Final = timedelta(days=60)


async def run(turn: Turn) -> bool:
    """Open, update and take back the episodes of both rules."""
    async with turn.pool.connection() as conn, conn.transaction():
        overdue = [
            verdict
            for status in await plan.unconfirmed(conn, now=turn.now)
            if (verdict := plan_not_confirmed.judge_plan(status, turn.now)) is not None
        ]
        await _bring_up_to_date(conn, plan_not_confirmed.RULE.name, overdue, _REMEMBERED, turn)
        ending = [
            verdict
            for row in await plan.running_out(conn, now=turn.now)
            if (verdict := plan_running_out.judge_plan(row, turn.now)) is not None
        ]
        await _bring_up_to_date(conn, plan_running_out.RULE.name, ending, _AGAIN_AFTER, turn)
    return False


async def _bring_up_to_date(
    conn: Connection, rule: str, verdicts: list[Verdict], quiet: timedelta, turn: Turn
) -> None:
    """`quiet`: for so long what a person has closed does not come again."""
    known = await episodes.of_rule(conn, rule=rule, closed_since=turn.now - quiet)
    opened = {episode.subject: episode for episode in known if episode.state != "closed"}
    closed = {episode.subject for episode in known if episode.closed_by is not None}
    found = {verdict.subject: verdict for verdict in verdicts}
    nodes = sorted({v.evidence[0].node_id or "" for v in verdicts})
    patients = await window.patients_of_plans(conn, nodes) if nodes else {}
    for subject in sorted({*found, *opened}):
        verdict, open_one = found.get(subject), opened.get(subject)
        if open_one is None and subject in closed:
            continue
        await _settle(conn, open_one, verdict, patients, turn)


async def _settle(
    conn: Connection,
    open_one: Episode | None,
    verdict: Verdict | None,
    patients: Mapping[str, int],
    turn: Turn,
) -> None:
    node = verdict.evidence[0].node_id if verdict else None
    whose = Whose(patient_id=patients.get(node or ""), node_id=node)
    try:
        draft = settle(open_one, verdict, whose=whose, now=turn.now)
        if draft is not None:
            async with conn.transaction():
                await carry_out(conn, draft, settings=turn.settings, now=turn.now)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - one plan's trouble must not stop the others
        await faults.report(conn, "plans", whose, turn.now, error, turn.settings, turn.now)
