"""Every rule, in one place. A new rule is a file beside this one, its line here and its cases."""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from alerts.reasons import Text
from alerts.rules import (
    call_for_help,
    failed_measurements,
    low_pressure,
    missed_doses,
    no_reading,
    plan_not_confirmed,
    plan_running_out,
    severe_pressure,
)
from alerts.rules.rule import Rule
from alerts.verdict import Verdict
from alerts.window import Window

# What the engine says about itself and its channels; no clinical rules.
CONTACT_UNREACHABLE: Final = Rule(
    name="contact_unreachable",
    version=1,
    title=Text("通知地址无法送达", "A notification address cannot be reached"),
    source=Text("通知通道的回应", "The answer of the channel"),
    next_step=Text("核对并修正该地址", "Check the address and correct it"),
)
ENGINE_FAULT: Final = Rule(
    name="engine_fault",
    version=1,
    title=Text("规则未能处理", "A rule could not be worked out"),
    source=Text("报警引擎自检", "The engine's own check"),
    next_step=Text(
        "人工查看该居民最近的读数，并联系维护人员",
        "Look at the person's newest readings yourself, and call whoever maintains the hub",
    ),
)

# Rules over the readings of one person, each judged on every reading of a window.
READING_RULES: Final[Mapping[str, Callable[[Window, datetime], list[Verdict]]]] = MappingProxyType(
    {
        severe_pressure.RULE.name: severe_pressure.judge_window,
        low_pressure.RULE.name: low_pressure.judge_window,
        failed_measurements.RULE.name: failed_measurements.judge_window,
    }
)

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            severe_pressure.RULE,
            low_pressure.RULE,
            call_for_help.RULE,
            failed_measurements.RULE,
            missed_doses.RULE,
            no_reading.RULE,
            plan_not_confirmed.RULE,
            plan_running_out.RULE,
            CONTACT_UNREACHABLE,
            ENGINE_FAULT,
        )
    }
)
