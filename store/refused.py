"""What the schema refuses, in words: each constraint's name becomes a domain error.

The invariants live in the database, so this is the only place that has to know how to say them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Literal

from psycopg.errors import IntegrityError, RaiseException

Kind = Literal["exists", "missing", "not_allowed"]


class RefusedByRuleError(Exception):
    """A change the hub does not make. `rule` is stable; `hint` says what to do instead."""

    def __init__(self, rule: str, kind: Kind, message: str, hint: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.kind = kind
        self.message = message
        self.hint = hint


# constraint -> what kind of refusal it is, what is wrong, what to do
WORDS: Final[Mapping[str, tuple[Kind, str, str]]] = {
    "area_code_key": ("exists", "an area with this code exists", "choose another code"),
    "area_below_parent": (
        "not_allowed",
        "an area lies below its parent: province, city, county, township, village",
        "choose a lower level or another parent",
    ),
    "area_parent_id_fkey": ("missing", "there is no such parent area", "list the areas first"),
    "area_name_check": ("not_allowed", "an area needs a name", "give it one"),
    "area_time_zone": (
        "not_allowed",
        "there is no such time zone",
        "use an IANA name such as Asia/Shanghai",
    ),
    "team_area_id_fkey": ("missing", "there is no such area", "list the areas first"),
    "team_name_check": ("not_allowed", "a team needs a name", "give it one"),
    "team_profile_check": ("not_allowed", "there is no such profile", "use cn, esc or us_uk"),
    "team_escalate_after_s_check": (
        "not_allowed",
        "escalation waits for a positive number of seconds",
        "the default is 300",
    ),
    "patient_pseudonym_key": (
        "exists",
        "somebody has this pseudonym already",
        "leave it out: the hub makes one",
    ),
    "staff_user_name_key": ("exists", "this user name is taken", "choose another user name"),
    "staff_user_name_check": (
        "not_allowed",
        "a user name is 2 to 40 of a-z, 0-9, dot, dash and underscore",
        "choose another user name",
    ),
    "staff_display_name_check": ("not_allowed", "a person needs a display name", "give one"),
    "staff_role_check": (
        "not_allowed",
        "there is no such role",
        "use admin, lead, doctor or nurse",
    ),
    "staff_locale_check": ("not_allowed", "there is no such language", "use zh-CN or en"),
    "team_member_team_id_fkey": ("missing", "there is no such team", "list the teams first"),
    "team_member_staff_id_fkey": ("missing", "there is no such person", "list the staff first"),
    "team_member_step_check": ("not_allowed", "a ladder has the steps 1 to 9", "use 1 to 9"),
    "contact_team_id_fkey": ("missing", "there is no such team", "list the teams first"),
    "contact_staff_id_fkey": ("missing", "there is no such person", "list the staff first"),
    "api_token_staff_id_fkey": ("missing", "there is no such person", "list the staff first"),
    "patient_name_check": ("not_allowed", "a patient needs a name", "give one"),
    "patient_sex_check": ("not_allowed", "there is no such sex", "use female, male or other"),
    "patient_area_id_fkey": ("missing", "there is no such area", "list the areas first"),
    "patient_team_id_fkey": ("missing", "there is no such team", "list the teams first"),
    "patient_locale_check": ("not_allowed", "there is no such language", "use zh-CN or en"),
    "patient_check": (
        "not_allowed",
        "a home target has both pressures",
        "write it like 135/85",
    ),
    "patient_target_sys_check": (
        "not_allowed",
        "a systolic target lies between 90 and 200 mm[Hg]",
        "write the target like 135/85",
    ),
    "patient_target_dia_check": (
        "not_allowed",
        "a diastolic target lies between 40 and 130 mm[Hg]",
        "write the target like 135/85",
    ),
    "patient_expect_reading_every_s_check": (
        "not_allowed",
        "the expected interval is a positive number of seconds",
        "the default is 259200 (three days)",
    ),
    "node_pkey": ("exists", "a node with this id exists", "leave the id to the hub"),
    "node_id_check": ("not_allowed", "a node id is 8 to 24 of a-z and 0-9", "leave it to the hub"),
    "node_area_id_fkey": ("missing", "there is no such area", "list the areas first"),
    "node_credential_node_id_fkey": ("missing", "there is no such node", "list the nodes first"),
    "device_node_id_fkey": ("missing", "there is no such node", "list the nodes first"),
    "device_node_id_dev_key": ("exists", "the node has a device of this name", "use another name"),
    "device_binding_device_id_fkey": ("missing", "there is no such device", "add it first"),
    "device_binding_patient_id_fkey": (
        "missing",
        "there is no such patient",
        "list the patients first",
    ),
    "device_binding_who_check": (
        "not_allowed",
        "a profile slot is a letter from A to H, or nothing",
        "use the slot chosen on the device",
    ),
    "one_patient_per_slot": (
        "exists",
        "this device measures another patient at that time",
        "bind from a later time, which ends the earlier binding",
    ),
    "unit_pkey": ("exists", "a unit of this serial is known", "check the serial"),
    "unit_serial_check": (
        "not_allowed",
        "a serial is 4 to 32 letters, digits, hyphens and underscores",
        "check the serial",
    ),
    "claim_one_open": (
        "exists",
        "the unit is bound already",
        "release it first, where it is bound",
    ),
    "rotation_node_id_fkey": ("missing", "there is no such node", "list the nodes first"),
    "append_only": (
        "not_allowed",
        "what was recorded cannot be changed or removed",
        "record what is true now instead",
    ),
}


def refusal(rule: str) -> RefusedByRuleError:
    """The domain error of a constraint, also for checks made before the database is asked."""
    kind, message, hint = WORDS.get(
        rule, ("not_allowed", f"the database refused it ({rule})", "check what was given")
    )
    return RefusedByRuleError(rule, kind, message, hint)


@contextmanager
def in_words() -> Iterator[None]:
    """Turn a violated constraint into `RefusedByRuleError`; the transaction has failed."""
    try:
        yield
    except (IntegrityError, RaiseException) as error:
        raise refusal(error.diag.constraint_name or "unnamed") from error
