"""A plan was edited and its device has not said it has it: telephone (safety rule 10). Pure."""

from datetime import datetime
from typing import Final

from alerts.reasons import Reason, Text
from alerts.rules.rule import Rule
from alerts.verdict import Stance, Tier, Verdict
from store.episode import Evidence
from store.plan import PlanStatus

RULE: Final = Rule(
    name="plan_not_confirmed",
    version=1,
    title=Text("用药计划未送达设备", "Medication plan not on the device"),
    source=Text(
        "本系统安全规则 10：修改后 10 分钟内须由设备确认",
        "Safety rule 10: a change is confirmed by the device within 10 minutes",
    ),
    next_step=Text(
        "电话告知本人或家属用药的变化，并检查设备是否在线",
        "Tell the person or the family about the change by telephone; check that the device is"
        " online",
    ),
)


def judge_plan(status: PlanStatus, now: datetime) -> Verdict | None:
    """A work item for each edit that is overdue on its device; None when it is there."""
    if not status.unconfirmed(now):
        return None
    return Verdict(
        rule=RULE.name,
        version=RULE.version,
        subject=subject(status),
        stance=Stance.STANDING,
        tier=Tier.WORKLIST,
        reason=Reason.PLAN_NOT_CONFIRMED,
        evidence=(
            Evidence(
                key=f"plan:{status.node_id}:{status.edit}",
                type="condition",
                at=status.edited_at,
                node_id=status.node_id,
                stance=Stance.STANDING,
                detail={
                    "edit": status.edit,
                    "published_edit": status.published_edit,
                    "revision": status.revision,
                    "confirmed_revision": status.confirmed_revision,
                },
            ),
        ),
    )


def subject(status: PlanStatus) -> str:
    """Each edit is its own matter: who telephoned about one has not told of the next."""
    return f"{status.node_id}:edit:{status.edit}"
