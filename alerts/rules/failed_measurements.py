"""Three measurements that failed within 15 minutes: a work item (safety rule 11). Pure."""

from datetime import datetime, timedelta
from typing import Final

from alerts.reasons import Reason, Text
from alerts.rules.rule import Rule
from alerts.verdict import Stance, Tier, Verdict, lateness
from alerts.window import Window, evidence_of, has

MANY: Final = 3
WITHIN: Final = timedelta(minutes=15)

RULE: Final = Rule(
    name="failed_measurements",
    version=1,
    title=Text("测量多次失败", "Measurements keep failing"),
    source=Text("本系统安全规则 11：15 分钟内三次", "Safety rule 11: three within 15 minutes"),
    next_step=Text(
        "电话询问：袖带、电池、姿势；脉搏不齐者改为人工测量",
        "Telephone: cuff, battery, posture; measure by hand where the pulse is irregular",
    ),
)


def judge_window(window: Window, now: datetime) -> list[Verdict]:  # noqa: ARG001 - as every rule
    """One verdict on each failure that belongs to three within 15 minutes."""
    failed = [reading for reading in window.readings if has(reading, "failed")]
    failed = [reading for reading in failed if not has(reading, "demo")]
    members: set[int] = set()
    for start in range(len(failed) - MANY + 1):
        if failed[start + MANY - 1].measured_at - failed[start].measured_at <= WITHIN:
            members.update(range(start, start + MANY))
    return [
        Verdict(
            rule=RULE.name,
            version=RULE.version,
            stance=Stance.STANDING,
            tier=Tier.WORKLIST,
            reason=Reason.FAILED_MEASUREMENTS,
            evidence=(
                evidence_of(
                    failed[place],
                    stance=Stance.STANDING,
                    tier=Tier.WORKLIST,
                    lateness=lateness(failed[place].measured_at, failed[place].received_at),
                ),
            ),
        )
        for place in sorted(members)
        if failed[place].measured_at >= window.judged_from
    ]
