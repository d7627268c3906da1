"""R1: blood pressure at a level that needs somebody today. Pure.

Limits by the team's profile (`measures.target`): China 180 and/or 110, the numbers included, the
emergency-referral line of the national public-health specification; ESC and US/UK over 180/120.
At 200/120 or over, with a symptom answered yes, or too high for the meter: no waiting.
"""

from datetime import datetime
from typing import Final

from alerts.reasons import Reason, Text
from alerts.rules.pressure import Criterion, Grade, judge
from alerts.rules.rule import Rule
from alerts.verdict import Tier, Verdict
from alerts.window import SignKind, Window, has, pressure
from measures.target import is_emergency, severe_limits
from store.window import WindowReading

RULE: Final = Rule(
    name="severe_pressure",
    version=1,
    title=Text("血压极高", "Severely high blood pressure"),
    source=Text(
        "国家基本公共卫生服务规范（第三版）危急情况：≥180 和/或 ≥110；复测按本系统安全规则 6",
        "National public-health specification, 3rd ed., emergency referral: 180 and/or 110;"
        " repeat by safety rule 6",
    ),
    next_step=Text(
        "联系本人：询问不适，休息后再测；有不适请拨打急救电话并转诊，两周内随访",
        "Reach the person: ask for symptoms, rest, measure again; with symptoms call the"
        " ambulance and refer; follow up within two weeks",
    ),
)


def judge_window(window: Window, now: datetime) -> list[Verdict]:
    """Verdicts on every severe reading of the window."""
    limits = severe_limits(window.profile)

    def over(sys: float, dia: float) -> bool:
        return limits.reached(sys, dia) or is_emergency(sys, dia)

    def grade(reading: WindowReading, signs: frozenset[SignKind]) -> Grade | None:
        if has(reading, "above_range") and not has(reading, "failed"):
            return Grade(Tier.EMERGENCY, Reason.TOO_HIGH_TO_MEASURE, at_once=True)
        value = pressure(reading)
        if value is None or not over(*value):
            return None
        if SignKind.SYMPTOM in signs:
            return Grade(Tier.EMERGENCY, Reason.SEVERE_WITH_SYMPTOM, at_once=True)
        # However hard to believe: at this height nobody waits (safety rule 6).
        if is_emergency(*value):
            return Grade(Tier.EMERGENCY, Reason.EMERGENCY_PRESSURE, at_once=True)
        return Grade(Tier.SEVERE, Reason.SEVERE_PRESSURE, at_once=False)

    criterion = Criterion(rule=RULE.name, version=RULE.version, over=over, grade=grade)
    return judge(window, criterion, now)
