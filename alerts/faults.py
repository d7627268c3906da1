"""What the engine could not work out: recorded, shown, and tried again until it can.

A person whose readings cannot be judged is not one whose readings are fine.
"""

import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from alerts.carrying_out import carry_out
from alerts.conditions import settle
from alerts.drafts import Whose
from alerts.reasons import Reason
from alerts.rules.registry import ENGINE_FAULT
from alerts.settings import AlertsSettings
from alerts.subjects import Affected
from alerts.verdict import Stance, Tier, Verdict
from runtime import metrics
from store import episode as episodes
from store.episode import Episode, Evidence
from store.pool import Connection

_LOG = structlog.get_logger()
# Closed since then: none.
_NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
_FEW_LINES: Final = 3


async def report(
    conn: Connection,
    what: str,
    whose: Whose,
    since: datetime,
    error: Exception,
    settings: AlertsSettings,
    now: datetime,
    *,
    tier: Tier = Tier.WORKLIST,
) -> None:
    """Raise, or keep, the technical episode of one rule and one person; logs the trouble.

    `since` is from when on their readings wait to be judged. A `tier` above the worklist pages:
    for what may be an emergency and cannot be tried again.
    """
    metrics.counter("alerts_faults", "Work the alert engine could not do", ("what",)).labels(
        what
    ).inc()
    _LOG.error(
        "engine_fault",
        what=what,
        patient=whose.patient_id,
        device=whose.device_id,
        node=whose.node_id,
        error=type(error).__name__,
        where=traceback.format_tb(error.__traceback__)[-_FEW_LINES:],
    )
    async with conn.transaction():
        known = await _open(conn, what, whose)
        first = min(since, known.onset_at) if known else since
        verdict = _verdict(what, whose, first, error, tier)
        draft = settle(known, verdict, whose=whose, now=now)
        if draft is not None:
            await carry_out(conn, draft, settings=settings, now=now)


async def waiting(conn: Connection) -> list[Episode]:
    """The open faults."""
    return await episodes.of_rule(conn, rule=ENGINE_FAULT.name, closed_since=_NEVER)


def affected(faults: Sequence[Episode]) -> Affected:
    """Whose readings to judge again because of these."""
    concerned = Affected()
    for fault in faults:
        if fault.patient_id is not None:
            concerned.patient(fault.patient_id, fault.onset_at)
        elif fault.device_id is not None:
            concerned.device(fault.device_id, fault.onset_at)
    return concerned


async def recovered(
    conn: Connection, faults: Sequence[Episode], settings: AlertsSettings, now: datetime
) -> None:
    """What had failed has worked: take these faults back."""
    for fault in faults:
        draft = settle(fault, None, whose=Whose(), now=now)
        if draft is not None:
            await carry_out(conn, draft, settings=settings, now=now)


def subject(what: str, whose: Whose) -> str:
    """What tells one fault from another."""
    return f"{what}:{whose.patient_id or ''}:{whose.device_id or ''}:{whose.node_id or ''}"


async def _open(conn: Connection, what: str, whose: Whose) -> Episode | None:
    found = await episodes.of_rule(
        conn, rule=ENGINE_FAULT.name, subjects=[subject(what, whose)], closed_since=_NEVER
    )
    return found[0] if found else None


def _verdict(what: str, whose: Whose, since: datetime, error: Exception, tier: Tier) -> Verdict:
    detail: dict[str, Any] = {"what": what, "error": type(error).__name__}
    return Verdict(
        rule=ENGINE_FAULT.name,
        version=ENGINE_FAULT.version,
        subject=subject(what, whose),
        stance=Stance.STANDING,
        tier=tier,
        technical=tier == Tier.WORKLIST,
        reason=Reason.ENGINE_FAULT,
        evidence=(
            Evidence(
                key=f"fault:{subject(what, whose)}",
                type="condition",
                at=since,
                node_id=whose.node_id,
                device_id=whose.device_id,
                stance=Stance.STANDING,
                detail=detail,
            ),
        ),
    )
