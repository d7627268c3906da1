"""What each role may do. Scope (which patients) is another question: see `visible_patients`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

Action = Literal[
    "administrate",  # areas, teams, staff, tokens
    "see_staff",
    "manage_nodes",  # add, bind, revoke and release nodes
    "claim_unit",  # bind a unit whose code one has at hand
    "enrol_patient",
    "see_patient",
    "edit_plan",
    "handle_episode",  # acknowledge and resolve
    "assign_reading",  # say whose a reading is, and which of two values holds
]

_ALL: Final = frozenset({"admin", "lead", "doctor", "nurse"})

PERMISSIONS: Final[Mapping[Action, frozenset[str]]] = MappingProxyType(
    {
        "administrate": frozenset({"admin"}),
        "see_staff": frozenset({"admin", "lead"}),
        "manage_nodes": frozenset({"admin", "lead"}),
        "claim_unit": _ALL,
        "enrol_patient": frozenset({"admin", "lead", "doctor"}),
        "see_patient": _ALL,
        "edit_plan": frozenset({"admin", "lead", "doctor"}),
        "handle_episode": _ALL,
        "assign_reading": _ALL,
    }
)


def may(role: str, action: Action) -> bool:
    """Whether a role may do this at all."""
    return role in PERMISSIONS[action]
