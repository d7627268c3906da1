"""R2: blood pressure that is too low. Pure.

Systolic below 90, or below 100 with dizziness or a fall (`measures.target`, from memory, to be
confirmed by a clinician). Below 80, with a fall or a symptom, or too low for the meter it is
severe; with a fall or a symptom nobody waits for the repeat (safety rule 6).
"""

from datetime import datetime
from typing import Final

from alerts.reasons import Reason, Text
from alerts.rules.pressure import Criterion, Grade, judge
from alerts.rules.rule import Rule
from alerts.verdict import Tier, Verdict
from alerts.window import SignKind, Window, has, pressure
from measures.target import is_low
from store.window import WindowReading

# Without symptoms: the limit of the BEAT-HF telemonitoring trial (trialsjournal 15:124, table 1).
VERY_LOW_SYS: Final = 80

RULE: Final = Rule(
    name="low_pressure",
    version=1,
    title=Text("血压过低", "Low blood pressure"),
    source=Text(
        "收缩压 <90，或 <100 并有头晕或跌倒（待临床确认）；<80 见 BEAT-HF 研究",
        "Systolic below 90, or below 100 with dizziness or a fall (to be confirmed by a"
        " clinician); below 80: BEAT-HF trial",
    ),
    next_step=Text(
        "联系本人：询问头晕、跌倒和用药，请其坐下或躺下，必要时上门",
        "Reach the person: ask for dizziness, falls and drugs, let them sit or lie down, visit"
        " where needed",
    ),
)


def judge_window(window: Window, now: datetime) -> list[Verdict]:
    """Verdicts on every low reading of the window."""
    return judge(window, _CRITERION, now)


def _over(sys: float, dia: float) -> bool:  # noqa: ARG001 - the diastolic has no low limit
    return is_low(sys)


def _grade(reading: WindowReading, signs: frozenset[SignKind]) -> Grade | None:
    if has(reading, "below_range") and not has(reading, "failed"):
        return Grade(Tier.SEVERE, Reason.TOO_LOW_TO_MEASURE, at_once=True)
    value = pressure(reading)
    if value is None or not is_low(value[0], symptom=bool(signs)):
        return None
    if SignKind.FALL in signs:
        return Grade(Tier.SEVERE, Reason.LOW_AFTER_FALL, at_once=True)
    if SignKind.SYMPTOM in signs:
        return Grade(Tier.SEVERE, Reason.LOW_WITH_SYMPTOM, at_once=True)
    very = value[0] < VERY_LOW_SYS
    return Grade(Tier.SEVERE if very else Tier.ATTENTION, Reason.LOW_PRESSURE, at_once=False)


_CRITERION: Final = Criterion(rule=RULE.name, version=RULE.version, over=_over, grade=_grade)
