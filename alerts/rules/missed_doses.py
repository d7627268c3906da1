"""R11: doses of one drug missed in a row. Pure.

Defaults from the clinical sheet (from memory, to be confirmed): two in a row are a worklist
entry, three or more go to the team. A dose skipped on purpose is an answer, not a miss.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from msgspec import Struct

from alerts.reasons import Reason, Text
from alerts.rules.rule import Rule
from alerts.verdict import Stance, Tier, Verdict
from store.episode import Evidence
from store.window import SettledDose

RULE: Final = Rule(
    name="missed_doses",
    version=1,
    title=Text("连续漏服", "Missed doses"),
    source=Text(
        "连续 2 次列入清单，3 次通知团队（默认值，待临床确认）",
        "Two in a row for the worklist, three for the team (defaults, to be confirmed)",
    ),
    next_step=Text(
        "询问原因：忘记、不适、缺药；切勿建议补服两次",
        "Ask why: forgotten, unwell, out of tablets; never advise two doses at once",
    ),
)


class Parameters(Struct, frozen=True):
    """How many in a row."""

    worklist: int = 2
    team: int = 3


DEFAULT: Final = Parameters()


def judge_doses(
    doses: Sequence[SettledDose], since: datetime | None, parameters: Parameters = DEFAULT
) -> Verdict | None:
    """A verdict on one patient from the newest settled doses of each item, oldest first.

    `since`: a person dealt with what was missed up to then; only later doses count.
    """
    counted = [dose for dose in doses if since is None or dose.due_at > since]
    runs = [
        _run(list(of_item)) for _, of_item in groupby(counted, key=lambda dose: dose.plan_item_id)
    ]
    longest = max((len(run) for run in runs), default=0)
    if longest < parameters.worklist:
        return None
    team = longest >= parameters.team
    missed = [dose for run in runs if len(run) >= parameters.worklist for dose in run]
    return Verdict(
        rule=RULE.name,
        version=RULE.version,
        stance=Stance.STANDING,
        tier=Tier.ATTENTION if team else Tier.WORKLIST,
        reason=Reason.THREE_DOSES_MISSED if team else Reason.TWO_DOSES_MISSED,
        evidence=tuple(
            _evidence(dose, Tier.ATTENTION if team else Tier.WORKLIST)
            for dose in sorted(missed, key=lambda dose: (dose.due_at, dose.id))
        ),
    )


def _run(doses: list[SettledDose]) -> list[SettledDose]:
    """The misses at the end of a list."""
    run: list[SettledDose] = []
    for dose in reversed(doses):
        if dose.state != "missed":
            break
        run.append(dose)
    return run


def _evidence(dose: SettledDose, tier: Tier) -> Evidence:
    return Evidence(
        key=f"d:{dose.id}",
        type="dose",
        at=dose.due_at,
        node_id=dose.node_id,
        stance=Stance.STANDING,
        tier=int(tier),
        detail={"dose_id": dose.id, "plan_item_id": dose.plan_item_id},
    )
