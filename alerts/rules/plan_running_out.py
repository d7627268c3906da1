"""A device will soon have nothing left to ring for: a technical alarm (safety rule 10). Pure."""

from datetime import datetime, timedelta
from typing import Final

from alerts.reasons import Reason, Text
from alerts.rules.rule import Rule
from alerts.verdict import Stance, Tier, Verdict
from store.episode import Evidence
from store.plan import RunningOut

WITHIN: Final = timedelta(hours=48)

RULE: Final = Rule(
    name="plan_running_out",
    version=1,
    title=Text("设备上的用药计划即将用完", "The plan on the device is running out"),
    source=Text(
        "本系统安全规则 10：设备上至少保有 14 天，少于 48 小时报警",
        "Safety rule 10: a device holds at least 14 days; below 48 hours is an alarm",
    ),
    next_step=Text(
        "检查设备是否在线；在计划用完之前恢复连接，或电话提醒服药",
        "Check that the device is online; reconnect it before the plan ends, or remind by"
        " telephone",
    ),
)


def judge_plan(running_out: RunningOut, now: datetime) -> Verdict | None:
    """A verdict on one node; None when what it holds lasts long enough."""
    ends = [at for at in (running_out.device_holds_until, running_out.holds_until) if at]
    until = min(ends) if ends else now
    if until - now >= WITHIN:
        return None
    return Verdict(
        rule=RULE.name,
        version=RULE.version,
        subject=running_out.node_id,
        stance=Stance.STANDING,
        tier=Tier.WORKLIST,
        technical=True,
        reason=Reason.PLAN_RUNNING_OUT,
        evidence=(
            Evidence(
                key=f"plan:{running_out.node_id}",
                type="condition",
                at=until,
                node_id=running_out.node_id,
                stance=Stance.STANDING,
            ),
        ),
    )
