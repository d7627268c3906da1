"""Judges the doses of patients when one of them has changed (the missed-dose rule)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from alerts import faults
from alerts.away import AWAY
from alerts.carrying_out import carry_out
from alerts.conditions import settle
from alerts.drafts import Whose
from alerts.rules import missed_doses
from alerts.settings import AlertsSettings
from store import episode as episodes
from store import window
from store.episode import Episode
from store.pool import Connection
from store.window import SettledDose

_REMEMBERED: Final = timedelta(days=30)


async def judge(
    conn: Connection, patients: Sequence[int], *, settings: AlertsSettings, now: datetime
) -> frozenset[str]:
    """Bring the missed-dose episode of each of these patients up to date.

    Returns what could not be worked out, as subjects of `faults`.
    """
    if not patients:
        return frozenset()
    doses = await window.settled_doses(conn, patients)
    known = await episodes.of_subjects(
        conn,
        patients=dict.fromkeys(patients, now - _REMEMBERED),
        devices={},
        rules=[missed_doses.RULE.name],
    )
    failed = set()
    for patient_id in patients:
        own = [dose for dose in doses if dose.patient_id == patient_id]
        mine = [episode for episode in known if episode.patient_id == patient_id]
        if not await _settle(conn, patient_id, own, mine, settings, now):
            failed.add(faults.subject(missed_doses.RULE.name, Whose(patient_id=patient_id)))
    return frozenset(failed)


async def _settle(
    conn: Connection,
    patient_id: int,
    doses: Sequence[SettledDose],
    known: Sequence[Episode],
    settings: AlertsSettings,
    now: datetime,
) -> bool:
    whose = Whose(patient_id=patient_id)
    try:
        open_one = next((e for e in known if e.state != "closed"), None)
        # Who closed one has dealt with the doses it named; only later ones count again.
        dealt_with = [e.last_evidence_at for e in known if e.closed_by is not None]
        verdict = missed_doses.judge_doses(doses, max(dealt_with, default=None))
        draft = settle(open_one, verdict, whose=whose, now=now)
        if draft is not None:
            async with conn.transaction():
                await carry_out(conn, draft, settings=settings, now=now)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - one patient's trouble must not stop the others
        await faults.report(conn, missed_doses.RULE.name, whose, now, error, settings, now)
        return False
    return True
