"""The messages of HH/1 as frozen structs: the shapes on the wire, keys as on the wire.

Every time is UTC in whole milliseconds since 1970. Optional keys are None when absent and are
left out when encoded. Unknown keys are ignored (HH/1 3.3), unknown enum values survive as text.
What a shape cannot say (column lengths, ranges, units) is checked in `contract.observation`.
"""

from contract.claims import ClaimAnswer, ClaimRequest
from contract.downlinks import (
    Command,
    Config,
    Feedback,
    Firmware,
    HubStatus,
    Plan,
    PlanItem,
    Receipt,
    Reference,
    Reminder,
    TimeAnswer,
)
from contract.uplinks import (
    Ack,
    Acknowledgement,
    Birth,
    ConfigError,
    ConfigReport,
    DeclaredSeries,
    Diag,
    Envelope,
    Event,
    GuidedSession,
    LogLine,
    Obs,
    Result,
    Series,
    State,
    SubDevice,
    TimeRequest,
    Wave,
)

__all__ = [
    "Ack",
    "Acknowledgement",
    "Birth",
    "ClaimAnswer",
    "ClaimRequest",
    "Command",
    "Config",
    "ConfigError",
    "ConfigReport",
    "DeclaredSeries",
    "Diag",
    "Envelope",
    "Event",
    "Feedback",
    "Firmware",
    "GuidedSession",
    "HubStatus",
    "LogLine",
    "Obs",
    "Plan",
    "PlanItem",
    "Receipt",
    "Reference",
    "Reminder",
    "Result",
    "Series",
    "State",
    "SubDevice",
    "TimeAnswer",
    "TimeRequest",
    "Wave",
]
