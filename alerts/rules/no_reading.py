"""R10: nothing was measured for longer than planned (safety rule 14). Pure.

Found by a timer. What the devices last said tells whom to call: a gateway or a meter that is
away goes to whoever can mend it, a person who did not measure to the team's worklist.
"""

from datetime import datetime, timedelta
from typing import Final

from alerts.reasons import Reason, Text
from alerts.rules.rule import Rule
from alerts.verdict import Stance, Tier, Verdict
from store.episode import Evidence
from store.window import Silent

RULE: Final = Rule(
    name="no_reading",
    version=1,
    title=Text("超过约定时间没有读数", "No reading for longer than planned"),
    source=Text(
        "约定的测量间隔（默认三天，可按人设置）；无数据即报警，安全规则 14",
        "The agreed interval (three days by default, per person); silence is an alarm, safety"
        " rule 14",
    ),
    next_step=Text(
        "按原因联系：网关或设备离线找装机维护人员，设备正常则电话联系本人或家属",
        "By the cause: gateway or meter away, call whoever maintains it; devices fine, telephone"
        " the person or the family",
    ),
)

_AWAY: Final = frozenset({"lost", "offline"})
_BROKEN: Final = frozenset({"lost", "offline", "error", "fault", "failed", "unpaired"})
_FAR: Final = frozenset({"range", "out_of_range", "unreachable"})


def judge_silence(silent: Silent, now: datetime) -> Verdict | None:
    """A verdict on one patient; None when the plan is kept. A sleeping cuff is a healthy one."""
    since = silent.last_at or silent.created_at
    if now - since <= timedelta(seconds=silent.expect_s):
        return None
    reason, technical = _diagnosis(silent)
    return Verdict(
        rule=RULE.name,
        version=RULE.version,
        stance=Stance.STANDING,
        tier=Tier.WORKLIST,
        technical=technical,
        reason=reason,
        evidence=(
            Evidence(
                key="no_reading",
                type="condition",
                at=since,
                node_id=silent.node_id,
                stance=Stance.STANDING,
                detail={
                    "expected_every_s": silent.expect_s,
                    "nodes": list(silent.nodes),
                    "links": list(silent.links),
                },
            ),
        ),
    )


def _diagnosis(silent: Silent) -> tuple[Reason, bool]:
    """Why, and whether it is the technology's fault. One healthy way to measure is enough."""
    if not silent.nodes:
        return Reason.NO_DEVICE, True
    ways = [_way(node, link) for node, link in zip(silent.nodes, silent.links, strict=True)]
    if any(way is Reason.PERSON_DID_NOT_MEASURE for way in ways):
        return Reason.PERSON_DID_NOT_MEASURE, False
    return ways[0], True


def _way(node: str | None, link: str | None) -> Reason:
    if node is None:
        return Reason.GATEWAY_NEVER_SEEN
    if node in _AWAY:
        return Reason.GATEWAY_SILENT
    if link in _FAR:
        return Reason.DEVICE_OUT_OF_RANGE
    return Reason.DEVICE_SILENT if link in _BROKEN else Reason.PERSON_DID_NOT_MEASURE
